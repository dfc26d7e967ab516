//! Errors about references.

use crate::engine::{EmbedError, EngineError, FeaturesError, ItemError};
use crate::inspection::InspectionError;
use crate::named::StoreError;
use crate::quoted::quoted;

/// The reason why an operation on a reference, or a comparison with one, failed.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// No reference has this name.
    #[error("no reference {}; PUT /v1/references/{{name}} makes one", quoted(.0))]
    Unknown(String),
    /// The name is not a valid file name.
    #[error(
        "{} is not a name for a reference: 1 to 64 letters, digits, '-', '_' and '.', the first not a '.'",
        quoted(.0)
    )]
    BadName(String),
    /// There is no image.
    #[error("a reference needs at least one image of a good part")]
    NoImages,
    /// There are more images than a reference may have.
    #[error("the reference would have {images} images; at most {most} are allowed")]
    TooManyImages {
        /// Images that there would be.
        images: usize,
        /// Images that are allowed.
        most: usize,
    },
    /// A field is invalid.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// The problem.
        reason: String,
    },
    /// An image is invalid.
    #[error("{field}: {error}")]
    Item {
        /// The image, such as `images[2]`.
        field: String,
        /// The problem.
        error: ItemError,
    },
    /// An image has another ratio of width to height than the first reference image.
    #[error(
        "the image has {}x{} pixels and the reference {}x{}: another shape; photograph or crop them alike",
        found.0, found.1, expected.0, expected.1
    )]
    Shape {
        /// The image, such as `images[2]`.
        field: String,
        /// Its width and height.
        found: (usize, usize),
        /// Those of the first reference image.
        expected: (usize, usize),
    },
    /// The features of the model cannot be computed.
    #[error("{0}")]
    Features(String),
    /// The engine failed or is overloaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Pictures that cannot be compared.
    #[error(transparent)]
    Inspection(#[from] InspectionError),
    /// The maximum number of references is reached.
    #[error("there are {0} references already; delete some")]
    TooMany(usize),
    /// The maximum size of all references is reached.
    #[error(
        "all references together would take {} MiB; at most {} MiB are allowed; delete some, or use fewer images",
        bytes >> 20,
        most >> 20
    )]
    TooManyBytes {
        /// Bytes that there would be.
        bytes: usize,
        /// Bytes that are allowed.
        most: usize,
    },
    /// Another server has changed it at the same time, or the database that they share fails.
    #[error(transparent)]
    Shared(StoreError),
    /// Writing to disk failed.
    #[error("the reference cannot be stored: {0}")]
    Disk(#[from] std::io::Error),
}

impl ReferenceError {
    /// The error of an image that was to be decoded or embedded.
    pub fn of_image(error: EmbedError, field: impl FnOnce() -> String) -> Self {
        match error {
            EmbedError::Item { error, .. } => Self::Item {
                field: field(),
                error,
            },
            EmbedError::Engine(error) => Self::Engine(error),
        }
    }

    /// The error about images after the first `before` ones, for a request that added the others.
    #[must_use]
    pub fn of_added(self, before: usize) -> Self {
        let renamed = |field: String| {
            let index = field.strip_prefix("images[");
            let index = index.and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
            match index.and_then(|index| index.checked_sub(before)) {
                Some(index) => format!("images[{index}]"),
                None => field,
            }
        };
        match self {
            Self::Item { field, error } => Self::Item {
                field: renamed(field),
                error,
            },
            Self::Shape {
                field,
                found,
                expected,
            } => Self::Shape {
                field: renamed(field),
                found,
                expected,
            },
            other => other,
        }
    }

    /// The error of the features of an image.
    pub fn of_features(error: FeaturesError, field: impl FnOnce() -> String) -> Self {
        match error {
            FeaturesError::Image(error) => Self::Item {
                field: field(),
                error,
            },
            FeaturesError::Engine(error) => Self::Engine(error),
            FeaturesError::Missing { .. } | FeaturesError::Size(_) | FeaturesError::Load { .. } => {
                Self::Features(error.to_string())
            }
        }
    }
}

impl From<StoreError> for ReferenceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadName(name) => Self::BadName(name),
            StoreError::TooMany(most) => Self::TooMany(most),
            StoreError::TooManyBytes { bytes, most } => Self::TooManyBytes { bytes, most },
            StoreError::Disk(error) => Self::Disk(error),
            error @ (StoreError::Changed | StoreError::Database(_)) => Self::Shared(error),
        }
    }
}
