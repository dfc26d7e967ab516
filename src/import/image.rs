//! `preprocessor_config.json`: the preprocessing of an image.

use serde_json::Value;

use super::architecture::{Architecture, Family};
use super::document::{Document, as_count};
use super::error::ImportError;
use crate::preprocess::{CropRounding, Interpolation, ResizeMode};

const FILE: &str = "preprocessor_config.json";

/// Known fields, and fields that do not affect the pixels.
const KNOWN: [&str; 31] = [
    "image_processor_type",
    "feature_extractor_type",
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
    "do_pad",
    "default_to_square",
    "use_square_size",
    // Fields about batching.
    "_valid_processor_keys",
    "auto_map",
    "data_format",
    "device",
    "disable_grouping",
    "image_seq_length",
    "input_data_format",
    "return_tensors",
    "pad_size",
    "size_divisor",
    "processor_class",
    "_processor_class",
    "transformers_version",
    "transformers.js_config",
    "_name_or_path",
];

/// Preprocessing in the terms of a manifest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocessing {
    /// Height and width.
    pub size: [usize; 2],
    /// Mean to subtract.
    pub mean: [f32; 3],
    /// Standard deviation to divide by.
    pub std: [f32; 3],
    /// How a picture of another shape is fitted to `size`.
    pub resize_mode: ResizeMode,
    /// The filter.
    pub interpolation: Interpolation,
    /// transformers' rounding rule.
    pub crop_rounding: CropRounding,
}

impl Preprocessing {
    /// Reads the folder's `preprocessor_config.json`.
    pub fn read(
        folder: &std::path::Path,
        architecture: &Architecture,
    ) -> Result<Self, ImportError> {
        let file = Document::read(folder, FILE)?;
        if let Some(unknown) = file.names().find(|name| !KNOWN.contains(name)) {
            let reason = "is an unknown setting that may affect images";
            return Err(file.refuse(unknown, reason));
        }
        check_processor(&file, architecture.family)?;
        let (resize_mode, size) = geometry(&file, architecture.family)?;
        if size != [architecture.image_size; 2] {
            let reason = format!(
                "gives images of {} x {} pixels; vision_config.image_size of config.json is {}",
                size[1], size[0], architecture.image_size
            );
            return Err(file.refuse("size", reason));
        }
        let interpolation = match file.count("resample")? {
            Some(2) => Interpolation::Bilinear,
            Some(3) => Interpolation::Bicubic,
            Some(other) => {
                let reason = format!("{other} is not supported; 2 (bilinear) and 3 (bicubic) are");
                return Err(file.refuse("resample", reason));
            }
            None => return Err(file.missing("resample")),
        };
        let (mean, std) = normalisation(&file)?;
        Ok(Self {
            size,
            mean,
            std,
            resize_mode,
            interpolation,
            crop_rounding: CropRounding::Down,
        })
    }
}

/// The classes whose code does exactly what the fields say.
fn check_processor(file: &Document, family: Family) -> Result<(), ImportError> {
    let expected = match family {
        Family::Clip => ["CLIPImageProcessor", "CLIPFeatureExtractor"],
        Family::Siglip => ["SiglipImageProcessor", "SiglipFeatureExtractor"],
    };
    let mut found = false;
    for field in ["image_processor_type", "feature_extractor_type"] {
        let Some(class) = file.text(field)? else {
            continue;
        };
        let plain = class.trim_end_matches("Fast").trim_end_matches("Pil");
        if !expected.contains(&plain) {
            let reason = format!("{class:?} is not {}, which is supported", expected[0]);
            return Err(file.refuse(field, reason));
        }
        found = true;
    }
    found
        .then_some(())
        .ok_or_else(|| file.missing("image_processor_type"))
}

/// Resize and crop.
fn geometry(file: &Document, family: Family) -> Result<(ResizeMode, [usize; 2]), ImportError> {
    if file.flag("do_resize")? == Some(false) {
        let reason = "images must be resized to the encoder's input";
        return Err(file.refuse("do_resize", reason));
    }
    if file.flag("do_pad")? == Some(true) {
        return Err(file.refuse("do_pad", "padding of images is not supported"));
    }
    if file.flag("use_square_size")? == Some(true) {
        return Err(file.refuse("use_square_size", "is not supported"));
    }
    let size = size(file, "size", family == Family::Clip)?;
    let crops = file.flag("do_center_crop")?;
    if !crops.unwrap_or(family == Family::Clip) {
        return match size {
            Size::Exact(size) => Ok((ResizeMode::Squash, size)),
            Size::Shortest(_) => {
                let reason = "does not determine the long side, because nothing is cropped";
                Err(file.refuse("size.shortest_edge", reason))
            }
        };
    }
    let Size::Exact(crop) = self::size(file, "crop_size", false)? else {
        return Err(file.refuse("crop_size", "needs height and width"));
    };
    let mode = match size {
        Size::Shortest(side) if crop == [side; 2] => ResizeMode::Shortest,
        // The crop is then the whole image.
        Size::Exact(size) if crop == size => ResizeMode::Squash,
        _ => {
            let reason = format!(
                "{} x {} differs from the size to which images are resized, which is not supported",
                crop[1], crop[0]
            );
            return Err(file.refuse("crop_size", reason));
        }
    };
    Ok((mode, crop))
}

enum Size {
    Shortest(usize),
    /// Height and width.
    Exact([usize; 2]),
}

/// A size in any of the forms that transformers has used.
fn size(file: &Document, field: &str, number_is_shortest: bool) -> Result<Size, ImportError> {
    match file.get(field) {
        None => Err(file.missing(field)),
        Some(Value::Object(_)) => {
            let section = file.section(field)?;
            let known = ["height", "width", "shortest_edge"];
            if let Some(unknown) = section.names().find(|name| !known.contains(name)) {
                return Err(section.refuse(unknown, "is not supported"));
            }
            let side = |name| section.count(name);
            match (side("height")?, side("width")?, side("shortest_edge")?) {
                (Some(height), Some(width), None) => Ok(Size::Exact([height, width])),
                (None, None, Some(side)) => Ok(Size::Shortest(side)),
                _ => Err(file.refuse(field, "needs height and width, or shortest_edge")),
            }
        }
        Some(value) => match as_count(value) {
            Some(side) if number_is_shortest => Ok(Size::Shortest(side)),
            Some(side) => Ok(Size::Exact([side; 2])),
            None => Err(file.refuse(field, "is neither an object nor a whole number")),
        },
    }
}

/// Rescaling and normalisation: mean and standard deviation in units of pixel / 255.
fn normalisation(file: &Document) -> Result<([f32; 3], [f32; 3]), ImportError> {
    if file.flag("do_rescale")? == Some(false) {
        let reason = "the encoder does not support values from 0 to 255";
        return Err(file.refuse("do_rescale", reason));
    }
    if let Some(factor) = file.number("rescale_factor")?
        && (factor * 255.0 - 1.0).abs() > 1e-6
    {
        return Err(file.refuse("rescale_factor", format!("{factor} is not 1/255")));
    }
    if file.flag("do_normalize")? == Some(false) {
        return Ok(([0.0; 3], [1.0; 3]));
    }
    let given = |field| file.colour(field)?.ok_or_else(|| file.missing(field));
    Ok((given("image_mean")?, given("image_std")?))
}
