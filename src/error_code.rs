//! All error codes: one for each cause, with its HTTP status and a line of documentation. Codes are part of the interface
//! and do not change.

use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:literal, $meaning:literal;)*) => {
        /// The kind of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {$(
            #[doc = $meaning]
            $variant,
        )*}

        impl Code {
            /// All codes, by status.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code in answers, metrics and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }

            /// A one-sentence description.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

codes! {
    InvalidJson = "invalid_json", 400, "The body is not JSON.";
    InvalidRequest = "invalid_request", 400, "A field has a value that it may not have, or two fields exclude each other.";
    InvalidQuery = "invalid_query", 400, "A query parameter cannot be read, or stands beside JSON.";
    InvalidMultipart = "invalid_multipart", 400, "The form cannot be read.";
    UnknownField = "unknown_field", 400, "An item, a form or a label set has a field that would be lost.";
    InvalidGzip = "invalid_gzip", 400, "The body says that it is gzip, and cannot be unpacked.";
    BodyEmpty = "body_empty", 400, "There is no body.";
    BodyIncomplete = "body_incomplete", 400, "The body ended early.";
    NoInput = "no_input", 400, "There is no item to embed.";
    NoImages = "no_images", 400, "There is no image.";
    NoTexts = "no_texts", 400, "There is no text or label.";
    NoReference = "no_reference", 400, "There is no reference to compare with, or none of its images.";
    NoDocuments = "no_documents", 400, "There is no document.";
    TooManyItems = "too_many_items", 400, "More items than `max_items`: send them in parts.";
    InvalidDimensions = "invalid_dimensions", 400, "More dimensions than the model has, or none.";
    InvalidLane = "invalid_lane", 400, "The lane is neither `interactive` nor `bulk`.";
    InvalidTimeout = "invalid_timeout", 400, "The timeout is not a positive number of seconds.";
    InvalidBase64 = "invalid_base64", 400, "An image is not base64.";
    InvalidLabelsetName = "invalid_labelset_name", 400, "A name has 1 to 64 ASCII letters, digits, `.`, `_` and `-`, and does not begin with `.`.";
    InvalidReferenceName = "invalid_reference_name", 400, "A name has 1 to 64 ASCII letters, digits, `.`, `_` and `-`, and does not begin with `.`.";
    ReferenceOfOtherModel = "reference_of_other_model", 400, "The request names another model than the reference.";
    InvalidLineName = "invalid_line_name", 400, "A name has 1 to 59 ASCII letters, digits, `.`, `_` and `-`, and does not begin with `.`.";
    ImageOfOtherShape = "image_of_other_shape", 400, "The image has another ratio of width to height than the reference.";
    LabelsetOfOtherModel = "labelset_of_other_model", 400, "The request names another model than the label set.";
    ModelHasNoPatches = "model_has_no_patches", 400, "`method` is `patches`, and the model's bundle has none.";
    TextWouldBeTruncated = "text_would_be_truncated", 400, "The text is longer than the context, and `truncate` is false.";
    TextNotUtf8 = "text_not_utf8", 400, "The text is not UTF-8.";
    TextNotTokenisable = "text_not_tokenisable", 400, "The tokenizer cannot read the text.";
    ImageEmpty = "image_empty", 400, "The image has no bytes.";
    ImageUnknownFormat = "image_unknown_format", 400, "The bytes are of no known image format.";
    ImageNoPixels = "image_no_pixels", 400, "The image has no pixels.";
    ImageUnsupportedFormat = "image_unsupported_format", 400, "An image, but not one that is read here: convert it.";
    ImageCorrupt = "image_corrupt", 400, "The image is damaged or incomplete.";
    ImageAbandoned = "image_abandoned", 400, "Only in metrics and logs: the client had left before its image was decoded.";
    UrlNotAllowed = "url_not_allowed", 400, "The server may not fetch from there.";
    UrlInvalid = "url_invalid", 400, "The URL cannot be read.";
    InvalidPixels = "invalid_pixels", 400, "A tensor of pixels has another shape, type or range than the model's input.";
    InvalidTokenIds = "invalid_token_ids", 400, "A tensor of tokens has another shape, type or range than the model's input.";
    PathNotAllowed = "path_not_allowed", 400, "The model's folder is not below `models_root`.";
    Unauthorized = "unauthorized", 401, "No API key or token, or a wrong one.";
    HostNotAllowed = "host_not_allowed", 403, "A server on a loopback address, without keys, was asked by another name.";
    CrossSite = "cross_site", 403, "A server without keys was asked by another site's page.";
    RoleMissing = "role_missing", 403, "The API key lacks the role that the route needs.";
    NotFound = "not_found", 404, "There is no such path.";
    ModelNotFound = "model_not_found", 404, "There is no model of that name.";
    LabelsetNotFound = "labelset_not_found", 404, "There is no label set of that name.";
    ReferenceNotFound = "reference_not_found", 404, "There is no reference of that name.";
    LineNotFound = "line_not_found", 404, "There is no line of that name.";
    SinkNotFound = "sink_not_found", 404, "There is no sink of that name (admin routes).";
    ShadowNotFound = "shadow_not_found", 404, "The line has no shadow (admin routes).";
    InspectionNotFound = "inspection_not_found", 404, "There is no inspection with that id, or no such image of it.";
    BundleNotFound = "bundle_not_found", 404, "The folder holds no bundle (admin routes).";
    MethodNotAllowed = "method_not_allowed", 405, "The path exists, but not for this method.";
    RequestTimeout = "request_timeout", 408, "The request took longer than `request_seconds`, or its client sent too slowly.";
    TooManyLabelsets = "too_many_labelsets", 409, "Delete a label set first.";
    TooManyReferences = "too_many_references", 409, "Delete a reference first, or use fewer images.";
    TooManyLines = "too_many_lines", 409, "Delete a line first.";
    TooManyPlanted = "too_many_planted", 409, "Take a planted item out of the queue first.";
    VerdictExists = "verdict_exists", 409, "The inspection has a verdict: undo it first.";
    NoVerdict = "no_verdict", 409, "The inspection has no verdict that could be undone, or that a planted item could have.";
    IdempotencyKeyReused = "idempotency_key_reused", 409, "The key came with other images before.";
    AuditUnanswered = "audit_unanswered", 409, "Audited inspections of the window have no verdict yet.";
    ReferenceChanged = "reference_changed", 409, "The line has another reference or model since the inspection: its map cannot be drawn again, and its reference is not shown.";
    LineChanged = "line_changed", 409, "The line was changed meanwhile.";
    PartsNotScored = "parts_not_scored", 409, "The model has not scored all labelled parts of the line.";
    PromiseLost = "promise_lost", 409, "With this model, a promise of the line would not hold any more.";
    NoEarlierModel = "no_earlier_model", 409, "The line has had no other model before.";
    LoadInProgress = "load_in_progress", 409, "Another load is running (admin routes).";
    ModelIsDefault = "model_is_default", 409, "The default model cannot be unloaded (admin routes).";
    ModelNameIsAlias = "model_name_is_alias", 409, "The model's name is an alias of another one (admin routes).";
    ImageDeleted = "image_deleted", 410, "The image of the inspection was deleted; what was decided is still there.";
    BodyTooLarge = "body_too_large", 413, "More bytes than `max_body_mib`.";
    AnswerTooLarge = "answer_too_large", 413, "The answer would be too large: ask for less at a time.";
    TextTooLong = "text_too_long", 413, "The text has too many bytes to be tokenised.";
    ImageTooLarge = "image_too_large", 413, "More pixels than `max_image_megapixels`.";
    ImageTooManyBytes = "image_too_many_bytes", 413, "More bytes than `max_image_mib`.";
    ImageTakesTooLong = "image_takes_too_long", 413, "The image was not decoded after ten seconds: save it in another form.";
    UnsupportedContentType = "unsupported_content_type", 415, "The content type is not read here.";
    UnsupportedContentEncoding = "unsupported_content_encoding", 415, "The content encoding is not read here.";
    UrlFetchFailed = "url_fetch_failed", 422, "The image's server did not deliver it.";
    UrlTimeout = "url_timeout", 422, "The image's server took too long.";
    LabelFromReview = "label_from_review", 422, "The line itself sent the part to review: its label cannot calibrate the line.";
    BundleManifestInvalid = "bundle_manifest_invalid", 422, "The manifest of the bundle is not as it must be (admin routes).";
    BundleFileUnreadable = "bundle_file_unreadable", 422, "A file of the bundle cannot be read (admin routes).";
    BundleFileNameInvalid = "bundle_file_name_invalid", 422, "A file's name leads out of the bundle (admin routes).";
    BundleFileInvalid = "bundle_file_invalid", 422, "A file of the bundle has unusable content (admin routes).";
    BundleChecksumMismatch = "bundle_checksum_mismatch", 422, "A file of the bundle was changed (admin routes).";
    BundleGoldenMismatch = "bundle_golden_mismatch", 422, "The graphs compute something else than at export (admin routes).";
    BundleGraphUnusable = "bundle_graph_unusable", 422, "ONNX Runtime cannot run a graph (admin routes).";
    PrecisionNotInBundle = "precision_not_in_bundle", 422, "The bundle lacks the precision (admin routes).";
    Overloaded = "overloaded", 429, "The server or the key has as much work as it may have; `retry-after` says when to try again.";
    InferenceFailed = "inference_failed", 500, "ONNX Runtime refused the batch.";
    LabelsetNotStored = "labelset_not_stored", 500, "The label set could not be written to disk; nothing changed.";
    ReferenceNotStored = "reference_not_stored", 500, "The reference could not be written to disk; nothing changed.";
    FeaturesUnusable = "features_unusable", 500, "The bundle's graph of features cannot be loaded.";
    InternalError = "internal_error", 500, "A mistake of the server; it is logged under the request's id.";
    OutOfMemory = "out_of_memory", 503, "The device had no room for this item; others go on; `retry-after`.";
    Stopping = "stopping", 503, "The server is shutting down: ask another one.";
    EngineDead = "engine_dead", 503, "The model's worker ended: the server is not ready and must be replaced.";
    ReviewsUnavailable = "reviews_unavailable", 503, "What must be stored cannot be: the database or the disk fails; nothing was decided.";
    DeadlineExceeded = "deadline_exceeded", 504, "The answer would come later than `x-request-timeout` allows.";
}

impl Code {
    /// OpenAI's `type` field: the family of errors, on which a client acts.
    pub const fn family(self) -> &'static str {
        match self.status() {
            429 => "overloaded_error",
            408 | 504 => "timeout_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, name: &&str) -> bool {
        self.name() == *name
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_ordered_by_status() {
        let names: std::collections::HashSet<_> =
            Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn the_documentation_has_every_code_under_its_status() {
        let page = include_str!("../docs/src/reference/errors.md");
        for code in Code::ALL {
            let status = code.status().to_string();
            let (name, mut heading) = (format!("`{}`", code.name()), "");
            let found = page.lines().any(|line| {
                if line.starts_with("## ") {
                    heading = line;
                }
                let row = line.starts_with('|') && line.contains(&name);
                row && (line.starts_with(&format!("| {status} |"))
                    || heading.ends_with(&format!(": {status}")))
            });
            assert!(
                found,
                "docs/src/reference/errors.md lacks {name} under {status}"
            );
        }
    }
}
