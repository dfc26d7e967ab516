//! The two numbers of a `model.safetensors` that no graph contains: `logit_scale` and `logit_bias`. Only the file's header
//! and these eight bytes are read, so the file need not be downloaded completely.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::document::Document;
use super::error::ImportError;

/// Its name in the layout.
pub const FILE: &str = "model.safetensors";
/// The maximum length of a header in the format.
const LONGEST_HEADER: u64 = 100_000_000;

/// The numbers in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Learnt {
    /// Logarithm of the factor of the cosine.
    pub logit_scale: Option<f32>,
    /// The summand of the scaled cosine.
    pub logit_bias: Option<f32>,
}

impl Learnt {
    /// Reads the folder's file; empty if there is none.
    pub fn find(folder: &Path) -> Result<Self, ImportError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let failed = |e: std::io::Error| ImportError::file(&path, &e);
        let mut file = File::open(&path).map_err(failed)?;
        Self::read(|start, length| {
            let mut bytes = vec![0; length];
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
            file.read_exact(&mut bytes).map_err(failed)?;
            Ok(bytes)
        })
    }

    /// Reads a file with `part`, which returns a range of its bytes.
    pub fn read(
        mut part: impl FnMut(u64, usize) -> Result<Vec<u8>, ImportError>,
    ) -> Result<Self, ImportError> {
        let length = little_endian(&part(0, 8)?);
        if length > LONGEST_HEADER {
            return Err(ImportError::Content {
                file: FILE.to_owned(),
                reason: "not a safetensors file".to_owned(),
            });
        }
        let header = Document::parse(FILE, &part(8, length as usize)?)?;
        let mut scalar = |name: &str| -> Result<Option<f32>, ImportError> {
            let tensor = header.section(name)?;
            let Some(kind) = tensor.text("dtype")? else {
                return Ok(None);
            };
            let offset = tensor
                .get("data_offsets")
                .and_then(|offsets| offsets.get(0))
                .and_then(Value::as_u64)
                .and_then(|offset| offset.checked_add(8 + length))
                .ok_or_else(|| tensor.missing("data_offsets"))?;
            match kind {
                "F32" => Ok(Some(
                    f32::from_bits(little_endian(&part(offset, 4)?) as u32),
                )),
                // The upper half of an f32.
                "BF16" => Ok(Some(f32::from_bits(
                    (little_endian(&part(offset, 2)?) as u32) << 16,
                ))),
                other => {
                    let reason =
                        format!("{other:?} is not supported; give --logit-scale and --logit-bias");
                    Err(tensor.refuse("dtype", reason))
                }
            }
        };
        Ok(Self {
            logit_scale: scalar("logit_scale")?,
            logit_bias: scalar("logit_bias")?,
        })
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_needed_part_of_a_file_is_read() {
        let header = br#"{"logit_bias":{"dtype":"F32","shape":[1],"data_offsets":[1000,1004]},
                          "logit_scale":{"dtype":"BF16","shape":[],"data_offsets":[4,6]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend([0; 1004]);
        let data = 8 + header.len();
        // 1.5 is 0x3fc0 in bfloat16.
        file[data + 4..data + 6].copy_from_slice(&[0xc0, 0x3f]);
        file[data + 1000..data + 1004].copy_from_slice(&(-2.25_f32).to_le_bytes());
        let read = |file: &[u8]| {
            Learnt::read(|start, length| {
                let part = file.get(start as usize..start as usize + length);
                Ok(part.unwrap_or_default().to_vec())
            })
        };
        let found = read(&file).unwrap();
        assert_eq!(
            (found.logit_scale, found.logit_bias),
            (Some(1.5), Some(-2.25))
        );
        assert!(read(b"\xff\xff\xff\xff\xff\xff\xff\xff{").is_err());
        assert!(read(b"\x02\0\0\0\0\0\0\0[]").is_err());
    }
}
