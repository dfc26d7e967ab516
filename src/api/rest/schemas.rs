//! OpenAPI schemas of values with hand-written parsers: images, texts, and lists of them.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, Ref, Schema, Type,
};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::engine::ImageSource;

type Components = Vec<(String, RefOr<Schema>)>;

/// An image file's bytes: a part of a form.
pub struct ImageFile;

impl PartialSchema for ImageFile {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("An image file."))
            .into()
    }
}

impl ToSchema for ImageFile {
    fn name() -> Cow<'static, str> {
        "ImageFile".into()
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn image() -> RefOr<Schema> {
    Ref::from_schema_name("Image").into()
}

/// `{name: value}` and nothing else.
fn object(name: &str, value: impl Into<RefOr<Schema>>) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(name, value)
        .required(name)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

/// An entry or a list of at least one.
fn one_or_more(entry: fn() -> AnyOfBuilder, description: &str) -> RefOr<Schema> {
    let list = ArrayBuilder::new()
        .items(RefOr::from(Schema::from(entry().build())))
        .min_items(Some(1));
    Schema::from(entry().item(list).description(Some(description)).build()).into()
}

/// A text: a string or `{"text": …}`.
fn texts() -> AnyOfBuilder {
    AnyOfBuilder::new().item(text()).item(text_part())
}

/// A statement: a string or `{"text": …, "reference_text": …}`.
fn statements() -> AnyOfBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("text", text())
        .required("text")
        .property("reference_text", text())
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    AnyOfBuilder::new().item(text()).item(Schema::from(object))
}

/// `{"image_url": {"url": …}}`, with or without `type`: a part as in chat clients.
fn image_part() -> Schema {
    let url = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("url", image())
        .required("url");
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("type", kind("image_url"))
        .property("image_url", Schema::from(url))
        .required("image_url")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

/// `{"type": "text", "text": …}`: a part as in chat clients.
fn text_part() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("type", kind("text"))
        .property("text", Schema::from(text()))
        .required("text")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

fn kind(name: &str) -> Schema {
    let description = format!("`{name}`; the other field determines the type of the part.");
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
        .description(Some(description))
        .into()
}

/// An image: a string or `{"image": …}`.
fn images() -> AnyOfBuilder {
    AnyOfBuilder::new()
        .item(image())
        .item(object("image", image()))
        .item(image_part())
}

/// A text as a string, or either as an object.
fn items() -> AnyOfBuilder {
    texts().item(object("image", image())).item(image_part())
}

macro_rules! described {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schemas(schemas: &mut Components) {
                schemas.push((ImageSource::name().into(), ImageSource::schema()));
            }
        }
    };
}

described!(
    /// One text or several.
    Texts,
    one_or_more(texts, "A text, or a list of texts.")
);
described!(
    /// One statement or several.
    Statements,
    one_or_more(
        statements,
        "A text, an object with the text and what is true of the reference, or a list of these."
    )
);
described!(
    /// One image or several.
    Images,
    one_or_more(images, "An image, or a list of images.")
);
described!(
    /// A text or an image.
    Item,
    Schema::from(
        items()
            .description(Some("A text, or an object that holds a text or an image."))
            .build()
    )
    .into()
);
described!(
    /// Texts and images in any order.
    Items,
    one_or_more(
        items,
        "A text, an object that holds a text or an image, or a list of these. With `\"modality\": \"image\"`, strings are images."
    )
);
