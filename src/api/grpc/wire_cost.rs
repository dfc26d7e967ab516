//! The memory of a message, counted on the wire before it is decoded.
//!
//! Two bytes on the wire can become an object of hundreds (an empty message in a repeated field), and one byte a number of
//! eight. The walk knows the messages' fields from the compiled-in descriptors and skips the content of texts, so its cost
//! is negligible beside decoding. Wire format: <https://protobuf.dev/programming-guides/encoding/>.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Bytes of a message in a field: the largest one (an input tensor) has 320, and a growing list reserves more.
const MESSAGE: usize = 512;
/// Bytes of a text or byte string in a field, besides its content.
const TEXT: usize = 64;
/// Bytes of a number.
const NUMBER: usize = 8;

/// The type of a field.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// A message, by its index in the list.
    Message(usize),
    /// A text or a byte string.
    Text,
    /// Numbers, which may be packed: as varints, or with a fixed number of bytes each.
    Varint,
    Fixed(usize),
}

/// The fields of all request messages.
#[derive(Debug, Default)]
pub struct WireCosts {
    messages: Vec<HashMap<u32, Field>>,
    /// The request message of a method, by the method's path.
    inputs: HashMap<String, usize>,
}

/// A message that does not follow the wire format.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

impl WireCosts {
    /// Reads encoded descriptors; fields that they lack are not counted.
    ///
    /// # Errors
    /// If the descriptors cannot be read.
    pub fn new(descriptors: &[u8]) -> Result<Self, prost::DecodeError> {
        let files = FileDescriptorSet::decode(descriptors)?;
        let mut named = Vec::new();
        for file in &files.file {
            let package = format!(".{}", file.package());
            collect(&package, &file.message_type, &mut named);
        }
        let places: HashMap<&str, usize> = named
            .iter()
            .enumerate()
            .map(|(place, (name, _))| (name.as_str(), place))
            .collect();
        let messages = named.iter().map(|(_, message)| {
            let fields = message.field.iter().filter_map(|field| {
                let kind = match field.r#type() {
                    Type::Message => Field::Message(*places.get(field.type_name())?),
                    Type::String | Type::Bytes => Field::Text,
                    Type::Fixed64 | Type::Sfixed64 | Type::Double => Field::Fixed(8),
                    Type::Fixed32 | Type::Sfixed32 | Type::Float => Field::Fixed(4),
                    Type::Group => return None,
                    _ => Field::Varint,
                };
                Some((u32::try_from(field.number()).ok()?, kind))
            });
            fields.collect()
        });
        let mut inputs = HashMap::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    if let Some(place) = places.get(method.input_type()) {
                        let path =
                            format!("/{}.{}/{}", file.package(), service.name(), method.name());
                        inputs.insert(path, *place);
                    }
                }
            }
        }
        Ok(Self {
            messages: messages.collect(),
            inputs,
        })
    }

    /// Bytes of memory of a message to a method, including its own bytes. The walk ends when they exceed `most`.
    ///
    /// [`Broken`], for messages that cannot be decoded either.
    /// [`Broken`], where decoding would fail too.
    pub fn of(&self, path: &str, message: &[u8], most: usize) -> Result<usize, Broken> {
        let mut cost = message.len();
        if let Some(place) = self.inputs.get(path) {
            self.walk(*place, message, most, &mut cost)?;
        }
        Ok(cost)
    }

    fn walk(
        &self,
        place: usize,
        mut rest: &[u8],
        most: usize,
        cost: &mut usize,
    ) -> Result<(), Broken> {
        let fields = self.messages.get(place);
        while !rest.is_empty() && *cost <= most {
            let key = varint(&mut rest)?;
            let number = u32::try_from(key >> 3).map_err(|_| Broken)?;
            let field = fields.and_then(|fields| fields.get(&number));
            match key & 7 {
                0 => {
                    varint(&mut rest)?;
                    *cost += NUMBER;
                }
                1 => {
                    skip(&mut rest, 8)?;
                    *cost += NUMBER;
                }
                5 => {
                    skip(&mut rest, 4)?;
                    *cost += NUMBER;
                }
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).map_err(|_| Broken)?;
                    let content = skip(&mut rest, length)?;
                    match field {
                        Some(Field::Message(inner)) => {
                            *cost += MESSAGE;
                            self.walk(*inner, content, most, cost)?;
                        }
                        Some(Field::Text) => *cost += TEXT,
                        Some(Field::Varint) => {
                            // Each number ends with its only byte without the upper bit.
                            let numbers = content.iter().filter(|byte| **byte < 0x80).count();
                            *cost += numbers * NUMBER;
                        }
                        Some(Field::Fixed(bytes)) => *cost += length / bytes * NUMBER,
                        // Decoding skips it.
                        None => {}
                    }
                }
                // Groups, which no message here has.
                _ => return Err(Broken),
            }
        }
        Ok(())
    }
}

/// All messages with their full names, including nested ones.
fn collect<'a>(
    scope: &str,
    messages: &'a [DescriptorProto],
    named: &mut Vec<(String, &'a DescriptorProto)>,
) {
    for message in messages {
        let name = format!("{scope}.{}", message.name());
        collect(&name, &message.nested_type, named);
        named.push((name, message));
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Broken> {
    let mut value = 0;
    for (place, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            *rest = &rest[place + 1..];
            return Ok(value);
        }
    }
    Err(Broken)
}

fn skip<'a>(rest: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], Broken> {
    let (content, more) = rest.split_at_checked(bytes).ok_or(Broken)?;
    *rest = more;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::api::grpc::{inference_proto as oip, proto};

    fn costs() -> WireCosts {
        WireCosts::new(proto::DESCRIPTORS).unwrap()
    }

    const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
    const EMBED: &str = "/clip_in.v1.ClipIn/Embed";

    #[test]
    fn empty_messages_are_counted_by_their_decoded_size() {
        let inputs = vec![oip::model_infer_request::InferInputTensor::default(); 1000];
        let wire = oip::ModelInferRequest {
            inputs,
            ..Default::default()
        }
        .encode_to_vec();
        let real = 1000 * size_of::<oip::model_infer_request::InferInputTensor>();
        let counted = costs().of(INFER, &wire, usize::MAX).unwrap();
        assert!(counted >= real && wire.len() <= 3000, "{counted} of {real}");
    }

    #[test]
    fn a_plain_message_costs_little_more_than_its_bytes() {
        let item = |bytes| proto::Item {
            content: Some(proto::item::Content::Text("x".repeat(bytes))),
        };
        let wire = proto::EmbedRequest {
            items: vec![item(1 << 20)],
            ..Default::default()
        }
        .encode_to_vec();
        let counted = costs().of(EMBED, &wire, usize::MAX).unwrap();
        assert!(counted < wire.len() + 2000, "{counted} of {}", wire.len());
    }

    #[test]
    fn packed_numbers_cost_eight_bytes_each() {
        let contents = oip::InferTensorContents {
            int64_contents: vec![0; 10_000],
            ..Default::default()
        };
        let input = oip::model_infer_request::InferInputTensor {
            contents: Some(contents),
            ..Default::default()
        };
        let wire = oip::ModelInferRequest {
            inputs: vec![input],
            ..Default::default()
        }
        .encode_to_vec();
        assert!(costs().of(INFER, &wire, usize::MAX).unwrap() > 80_000);
    }

    #[test]
    fn the_walk_ends_early_and_broken_bytes_are_refused() {
        let many = [0x2a, 0].repeat(1 << 20);
        assert!(costs().of(INFER, &many, 3 << 20).unwrap() < 4 << 20);
        for broken in [&[0x2a_u8, 5][..], &[0xff; 11], &[0x2b], &[0x29, 1]] {
            assert_eq!(costs().of(INFER, broken, 1000), Err(Broken));
        }
    }
}
