//! The image options as fields of requests, written once.
//!
//! They are fields of each struct, because `serde(flatten)` would lose the place of an error and would keep all unknown
//! fields in memory.

use utoipa::IntoParams;

use crate::preprocess::Alpha;

/// Appends the image options to a request in JSON, which becomes `ImageOptions` by `From`; or, after `form`, to the
/// description of a form.
macro_rules! with_image_options {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident { $($fields:tt)* }) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($fields)*
            /// Number of low bits of 16-bit images that hold the value.
            #[schema(value_type = Option<u8>, minimum = 8, maximum = 16)]
            value_bits: Option<$crate::preprocess::ValueBits>,
            /// Whether images are turned according to their EXIF data.
            exif_orientation: Option<bool>,
            /// How transparency is treated.
            #[schema(inline)]
            alpha: Option<$crate::preprocess::Alpha>,
        }

        impl From<&$name> for $crate::preprocess::ImageOptions {
            fn from(request: &$name) -> Self {
                Self {
                    value_bits: request.value_bits,
                    exif_orientation: request.exif_orientation,
                    alpha: request.alpha,
                }
            }
        }
    };
    (form $(#[$attribute:meta])* $visibility:vis struct $name:ident { $($fields:tt)* }) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($fields)*
            /// Number of low bits of 16-bit images that hold the value.
            #[schema(required = false, minimum = 8, maximum = 16)]
            value_bits: u8,
            /// Whether images are turned according to their EXIF data.
            #[schema(required = false)]
            exif_orientation: bool,
            /// How transparency is treated.
            #[schema(required = false, inline)]
            alpha: $crate::preprocess::Alpha,
        }
    };
}

pub(super) use with_image_options;

/// The same as query parameters beside a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what request_options.rs reads")]
pub(super) struct ImageOptionsQuery {
    /// Number of low bits of 16-bit images that hold the value.
    #[param(minimum = 8, maximum = 16)]
    value_bits: Option<u8>,
    /// Whether images are turned according to their EXIF data.
    exif_orientation: Option<bool>,
    /// How transparency is treated.
    #[param(inline)]
    alpha: Option<Alpha>,
}
