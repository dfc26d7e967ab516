//! What is wrong with what was handed in.

/// Why a comparison, a mask or a map cannot be computed. The messages say what to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InspectionError {
    /// An array whose length is not the product of its sides, or that is empty.
    #[error("{what} must hold {expected} numbers, it holds {found}")]
    Length {
        /// Which array.
        what: &'static str,
        /// Numbers it should hold.
        expected: usize,
        /// Numbers it holds.
        found: usize,
    },
    /// A number that is not finite.
    #[error("{what} holds a number that is not finite at position {at}")]
    NotFinite {
        /// Which array.
        what: &'static str,
        /// Position in the array.
        at: usize,
    },
    /// Maps that do not belong to the same layer, or pictures of different sizes.
    #[error("{what} must have the shape {expected}, it has {found}")]
    Shape {
        /// Which array or picture.
        what: &'static str,
        /// Shape of the others.
        expected: String,
        /// Its own shape.
        found: String,
    },
    /// No reference image at all.
    #[error("give at least one reference image")]
    NoReference,
    /// More than may be held or computed.
    #[error("{what}: {found} is more than the limit of {most}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A polygon or mask that leaves nothing to look at, or lies outside the picture.
    #[error("{0}")]
    Mask(String),
    /// A map that cannot be written as a picture.
    #[error("the map could not be written as PNG: {0}")]
    Png(String),
    /// A setting out of its range.
    #[error("{what} must be {range}, it is {found}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// The range in words.
        range: &'static str,
        /// What was given.
        found: f64,
    },
    /// A matrix that cannot be inverted or decomposed, although it is regularised.
    #[error("{0} could not be decomposed; the features of the reference images are degenerate")]
    Numeric(&'static str),
}

impl InspectionError {
    /// Masks that leave nothing of a layer.
    pub(super) fn no_patch() -> Self {
        Self::Mask("the masks leave no patch to compare; leave out less".to_owned())
    }
}
