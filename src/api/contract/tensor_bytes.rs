//! Tensors as bytes after the JSON: the protocol's binary extension.

use bytes::Bytes;

use super::inference_protocol::unknown_datatype;
use crate::api::ApiError;
use crate::calls::tensor::Values;
use crate::error_code::Code;

/// Parses the values of a tensor from little-endian bytes; a BYTES value is preceded by its length (32 bits), and there are
/// at most `most` values.
///
/// # Errors
/// 400 without a field: the caller knows the tensor's name.
pub fn read(datatype: &str, bytes: Bytes, most: usize) -> Result<Values, ApiError> {
    let broken = || {
        let message = format!(
            "{} bytes are not a whole number of {datatype} values",
            bytes.len()
        );
        ApiError::new(Code::InvalidRequest, message)
    };
    match datatype {
        "UINT8" => Ok(Values::Uint8(bytes.to_vec())),
        "INT64" => {
            let (values, rest) = bytes.as_chunks::<8>();
            let values = values.iter().map(|value| i64::from_le_bytes(*value));
            rest.is_empty()
                .then(|| Values::Int64(values.collect()))
                .ok_or_else(broken)
        }
        "FP32" => {
            let (values, rest) = bytes.as_chunks::<4>();
            let values = values.iter().map(|value| f32::from_le_bytes(*value));
            rest.is_empty()
                .then(|| Values::Fp32(values.collect()))
                .ok_or_else(broken)
        }
        "BYTES" => {
            let mut rest = bytes.clone();
            let mut values = Vec::new();
            while !rest.is_empty() {
                let length = rest.first_chunk::<4>().ok_or_else(broken)?;
                let length = u32::from_le_bytes(*length) as usize;
                if rest.len() - 4 < length {
                    return Err(broken());
                }
                if values.len() == most {
                    let message = format!("more than {most} values, as many as the shape has");
                    return Err(ApiError::new(Code::InvalidRequest, message));
                }
                values.push(rest.slice(4..4 + length));
                rest = rest.slice(4 + length..);
            }
            Ok(Values::Bytes(values))
        }
        other => Err(unknown_datatype(other)),
    }
}

/// An output's values as bytes.
pub fn write(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_fit() {
        for (datatype, bytes) in [
            ("INT64", &[0; 9][..]),
            ("FP32", &[0; 6]),
            ("BYTES", &[1, 0, 0]),
            ("BYTES", &[2, 0, 0, 0, 7]),
            ("BYTES", &[255, 255, 255, 255, 7]),
            ("FP16", &[0; 2]),
        ] {
            assert!(
                read(datatype, Bytes::copy_from_slice(bytes), 9).is_err(),
                "{datatype} {bytes:?}"
            );
        }
        let two = Bytes::from_static(&[1, 0, 0, 0, 7, 0, 0, 0, 0]);
        let Ok(Values::Bytes(values)) = read("BYTES", two.clone(), 2) else {
            panic!("two values");
        };
        assert_eq!(values, [&[7_u8][..], &[]]);
        assert!(read("BYTES", two, 1).is_err());
    }
}
