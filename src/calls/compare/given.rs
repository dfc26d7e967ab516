//! Images of good parts that come with a request.

use bytes::Bytes;

use crate::api::ApiError;
use crate::engine::ImageSource;
use crate::error_code::Code;
use crate::preprocess::ImageOptions;
use crate::references::{Definition, Photograph, Places, check_resolution};

/// Reference images that a request may bring along: learning them takes some seconds. More belong under a name.
const MOST: usize = 32;

/// Images of good parts, and where and how finely to look at them; see [`Definition`].
#[derive(Debug, Default)]
pub struct Given {
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// What is looked at.
    pub places: Places,
    /// The side of a square with as many pixels as are compared; the model's own if none is given.
    pub resolution: Option<u32>,
}

impl Given {
    /// Whether it says where or how finely to look. That is part of a stored reference, so it stands beside images alone.
    fn says_how(&self) -> Option<&'static str> {
        let places = &self.places;
        let said = [
            ("resolution", self.resolution.is_some()),
            ("regions", !places.regions.is_empty()),
            ("ignore", !places.ignore.is_empty()),
            ("mask", places.mask.is_some()),
        ];
        said.into_iter()
            .find_map(|(field, is_said)| is_said.then_some(field))
    }

    /// Checks what can be checked before an image is decoded.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let images = self.images.len();
        if images == 0 {
            let message =
                "a reference is needed: the name of a stored one, or images of good parts";
            return Err(ApiError::new(Code::NoReference, message).at("references"));
        }
        if images > MOST {
            let message = format!(
                "the request has {images} reference images; at most {MOST} are allowed; \
                 store more under a name, with PUT /v1/references/{{name}}"
            );
            return Err(ApiError::new(Code::TooManyItems, message).at("references"));
        }
        check_resolution(self.resolution)?;
        Ok(self.places.check()?)
    }

    /// The definition of the reference, its images as bytes.
    pub(super) fn definition(self, image_options: ImageOptions) -> Result<Definition, ApiError> {
        let one = |(i, image): (usize, ImageSource)| match image {
            ImageSource::Bytes(bytes) => Ok(Photograph(bytes)),
            base64 => {
                let bytes = base64.bytes();
                let bytes = bytes.map(|bytes| Photograph(Bytes::from(bytes.into_owned())));
                bytes.map_err(|error| ApiError::from(error).at(format!("references[{i}]")))
            }
        };
        let images = self.images.into_iter().enumerate().map(one);
        Ok(Definition {
            model: None,
            images: images.collect::<Result<_, _>>()?,
            places: self.places,
            image_options,
            resolution: self.resolution,
        })
    }
}

/// Either a name, or images and how they are looked at.
///
/// # Errors
/// 400 `invalid_request` for both.
pub fn against(name: Option<String>, given: Given) -> Result<super::Against, ApiError> {
    let Some(name) = name else {
        return Ok(super::Against::Images(given));
    };
    if !given.images.is_empty() {
        let message = "either a stored reference or images of good parts, not both";
        return Err(ApiError::new(Code::InvalidRequest, message).at("reference"));
    }
    match given.says_how() {
        Some(field) => {
            let message = "it belongs to images of good parts; a stored reference has its own, from when it was put";
            Err(ApiError::new(Code::InvalidRequest, message).at(field))
        }
        None => Ok(super::Against::Named(name)),
    }
}

/// The error about a reference image of the request, under its name there.
pub(super) fn as_reference(mut error: ApiError) -> ApiError {
    if let Some(param) = &mut error.param
        && let Some(place) = param.strip_prefix("images")
    {
        *param = format!("references{place}");
    }
    error
}
