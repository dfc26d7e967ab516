//! What must hold of any bytes that come from outside. The fuzz targets call these with bytes that they make up, and
//! `tests/fuzz_corpus.rs` with the bytes in `corpus/`, to which every finding is added.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;

use clip_in::api::ApiError;
use clip_in::api::grpc::bodies::Bodies;
use clip_in::api::rest::bodies;
use clip_in::bundle::{Bundle, Manifest};
use clip_in::engine::{ImageSource, Item};
use clip_in::preprocess::{
    CropRounding, ImageSpec, InputLayout, Interpolation, Limits, Pixels, ResizeMode, decode,
    preprocess,
};
use clip_in::tokenize::TextTokenizer;

/// The least that `--max-image-megapixels` can be: a limit that is soon reached.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_pixels: 1_000_000,
    max_side: 16_384,
};

const SIDE: usize = 64;

static DEMO: LazyLock<Bundle> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The fuzz crate is a folder below the server's.
    let near = root.join("models/demo");
    let model = if near.is_dir() {
        near
    } else {
        root.join("../models/demo")
    };
    Bundle::open(&model).expect("the demo model")
});

static TOKENIZER: LazyLock<TextTokenizer> =
    LazyLock::new(|| TextTokenizer::load(&DEMO).expect("the demo model's tokenizer"));

/// Loads what the checks share, so that its time and memory are not the first input's.
pub fn load() {
    LazyLock::force(&TOKENIZER);
}

/// An image file → an encoder's input.
pub fn image(bytes: &[u8]) {
    let decoded = decode(bytes, &LIMITS, true);
    match &decoded {
        Ok(image) => {
            let (width, height) = (image.width(), image.height());
            assert!(width >= 1 && height >= 1 && width.max(height) <= LIMITS.max_side);
            let pixels = u64::from(width) * u64::from(height);
            assert!(pixels <= LIMITS.max_pixels, "{width}x{height}");
            assert_eq!(image.pixels().len() as u64, pixels * 3);
        }
        Err(error) => {
            assert!(error.code().name().starts_with("image_"), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    // One way of fitting a file: all are tried, and the corpus needs no bytes of its own for it.
    let way = bytes.len();
    let spec = ImageSpec {
        height: SIDE,
        width: SIDE,
        mean: [0.5, 0.4, 0.3],
        std: [0.2, 0.3, 0.4],
        resize_mode: [
            ResizeMode::Shortest,
            ResizeMode::Squash,
            ResizeMode::Longest,
        ][way % 3],
        interpolation: [Interpolation::Bicubic, Interpolation::Bilinear][way / 3 % 2],
        crop_rounding: [CropRounding::HalfEven, CropRounding::Down][way / 6 % 2],
        fill_color: 127,
        exif_orientation: (way / 12).is_multiple_of(2),
        layout: [InputLayout::NchwFloat32, InputLayout::NhwcUint8][way / 24 % 2],
    };
    let input = preprocess(bytes, &LIMITS, &spec);
    assert_eq!(
        input.is_ok(),
        decoded.is_ok(),
        "one way decodes what the other does not"
    );
    match input {
        Ok(Pixels::U8(values)) => {
            assert_eq!(
                (values.len(), spec.layout),
                (SIDE * SIDE * 3, InputLayout::NhwcUint8)
            );
        }
        Ok(Pixels::F32(values)) => {
            assert_eq!(
                (values.len(), spec.layout),
                (SIDE * SIDE * 3, InputLayout::NchwFloat32)
            );
            assert!(values.iter().all(|value| value.is_finite()));
        }
        Err(_) => {}
    }
}

/// A TIFF file, or what one is made of: its byte order, a number of directory entries in eight bytes each, and everything else.
pub fn tiff(bytes: &[u8]) {
    let made = match bytes {
        [b'I', b'I', ..] | [b'M', b'M', ..] => None,
        [order, count, rest @ ..] => Some(made_tiff(*order, *count, rest)),
        _ => return,
    };
    let file = made.as_deref().unwrap_or(bytes);
    image(file);
    // The reader is the server's own: there is no panic of others to be caught.
    if let Err(error) = decode(file, &LIMITS, true) {
        assert!(!error.to_string().contains("gave up"), "{error}");
    }
}

/// Tags that decide how pixels are read.
const TAGS: [u16; 21] = [
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338,
    339, 347,
];

fn made_tiff(order: u8, count: u8, rest: &[u8]) -> Vec<u8> {
    let (entries, data) = rest.split_at(rest.len().min(8 * usize::from(count % 24)));
    let (entries, _) = entries.as_chunks::<8>();
    let little = order & 1 == 0;
    let mut file = Vec::new();
    let mut put = |number: u32, bytes: usize| {
        let digits = number.to_be_bytes();
        let digits = &digits[4 - bytes..];
        if little {
            file.extend(digits.iter().rev());
        } else {
            file.extend(digits);
        }
    };
    put(if little { 0x4949 } else { 0x4d4d }, 2);
    put(42, 2);
    put(8, 4);
    put(entries.len() as u32, 2);
    for &[tag, kind, high, low, a, b, c, d] in entries {
        put(u32::from(TAGS[usize::from(tag) % TAGS.len()]), 2);
        let kind = u32::from([1_u8, 3, 4, 7][usize::from(kind % 4)]);
        put(kind, 2);
        put(u32::from(high) << 8 | u32::from(low), 4);
        // A short value stands in the first half.
        if kind == 3 {
            put(u32::from(a) << 8 | u32::from(b), 2);
            put(u32::from(c) << 8 | u32::from(d), 2);
        } else {
            put(u32::from_be_bytes([a, b, c, d]), 4);
        }
    }
    put(0, 4);
    file.extend_from_slice(data);
    file
}

/// Most items that a label set may make here.
const MOST_ITEMS: usize = 1000;

/// A JSON body, sent to every route that takes one.
pub fn json_body(body: &[u8]) {
    for route in [
        bodies::embeddings,
        bodies::similarity,
        bodies::classify,
        bodies::rerank,
    ] {
        check_items(route(body), body.len());
    }
    match bodies::labelset(body, MOST_ITEMS) {
        Ok(set) => {
            let texts: Vec<_> = set.texts().collect();
            assert!(texts.len() + set.images().count() <= MOST_ITEMS);
            assert!(texts.iter().all(|(label, _)| *label < set.labels.len()));
            // What is kept on the disk is read again at the next start.
            let kept = serde_json::to_vec(&set).expect("JSON");
            assert_eq!(bodies::labelset(&kept, MOST_ITEMS).as_ref(), Ok(&set));
        }
        Err(error) => check_refusal(&error),
    }
}

/// A body of the Open Inference Protocol: the length of its JSON (16 bits, little-endian; 65535: all of it), the JSON, and
/// tensors as bytes.
pub fn tensors(bytes: &[u8]) {
    let Some((length, body)) = bytes.split_first_chunk() else {
        return;
    };
    let mut headers = axum::http::HeaderMap::new();
    match u16::from_le_bytes(*length) {
        u16::MAX => {}
        length => {
            headers.insert("inference-header-content-length", length.into());
        }
    }
    let body = bytes::Bytes::copy_from_slice(body);
    let found = bodies::infer(&headers, &body, &DEMO.manifest.text, MOST_ITEMS);
    for item in found.iter().flatten() {
        match item {
            Item::Pixels(Pixels::U8(values)) => assert!(!values.is_empty()),
            Item::Pixels(Pixels::F32(values)) => assert!(!values.is_empty()),
            Item::Tokens(ids) => assert!(!ids.is_empty()),
            Item::Image(_) | Item::Text(_) => {}
        }
    }
    check_items(found, body.len());
}

fn check_items(found: Result<Vec<Item>, ApiError>, bytes: usize) {
    let items = match found {
        Ok(items) => items,
        Err(error) => return check_refusal(&error),
    };
    assert!(
        items.len() <= bytes,
        "{} items of {bytes} bytes",
        items.len()
    );
    for item in items {
        if let Item::Image(source) = item {
            let is_url = source.url().is_some();
            match source.bytes() {
                Ok(file) => assert!(!is_url && file.len() <= bytes),
                // What these mean to a client is the error table's; that they are there, every item error's.
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            if let ImageSource::Base64(text) = &source {
                assert!(source.url().is_none_or(|url| text.contains(url)));
            }
        }
    }
}

/// A refusal is the client's fault, has a code, and says something.
fn check_refusal(error: &ApiError) {
    assert!(error.status().is_client_error(), "{error:?}");
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(error.code.name().chars().all(is_plain), "{error:?}");
    assert!(!error.message.is_empty(), "{error:?}");
}

/// A label set's definition, as `PUT /v1/labelsets/{name}` reads it.
pub fn labelset_json(body: &[u8]) {
    match bodies::labelset(body, MOST_ITEMS) {
        Ok(set) => {
            assert!(set.texts().count() + set.images().count() <= MOST_ITEMS);
            // What is kept on the disk is read again at the next start.
            let kept = serde_json::to_vec(&set).expect("JSON");
            assert_eq!(bodies::labelset(&kept, MOST_ITEMS).as_ref(), Ok(&set));
        }
        Err(error) => check_refusal(&error),
    }
}

/// Largest gRPC message here, in bytes.
const MOST_MESSAGE: usize = 1 << 20;

static GRPC: LazyLock<Bodies> = LazyLock::new(|| Bodies::new().expect("descriptors"));

/// A gRPC request's body: the method and the compression (a byte), how long the pieces are in which it comes (a byte, in 16
/// bytes), the body. `bounded` runs what may take so many bytes of memory.
pub fn grpc_wire(bytes: &[u8], bounded: impl Fn(usize, &mut dyn FnMut())) {
    let [way, length, body @ ..] = bytes else {
        return;
    };
    let encoding = ["identity", "gzip", "zstd"][usize::from(way / 16) % 3];
    let pieces = body.chunks(16 * usize::from(*length) + 16);
    let pieces: Vec<_> = pieces.map(bytes::Bytes::copy_from_slice).collect();
    let mut found = Ok(Vec::new());
    // All messages, the largest of them once more in the making, what unpacks it, and a list of places.
    bounded(7 * MOST_MESSAGE + 16 * body.len() + (12 << 20), &mut || {
        let pieces = pieces.clone();
        found = GRPC.read(usize::from(way % 16), encoding, pieces, MOST_MESSAGE);
    });
    let counted = match found {
        Ok(counted) => counted,
        Err(status) => return assert!(!status.message().is_empty(), "{status:?}"),
    };
    for message in counted {
        assert!(message.cost <= MOST_MESSAGE + 5, "{}", message.cost);
        // A list that grows is there twice for a moment, and has room for as much again.
        let most = 3 * message.cost + (4 << 10);
        let mut message = Some(message);
        bounded(most, &mut || {
            if let Some(message) = message.take() {
                // Whether it is a message is the sender's matter.
                let _ = message.decode();
            }
        });
    }
}

/// A `bundle.json`.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(reason) => return assert!(!reason.is_empty()),
    };
    let spec = manifest.image.spec().expect("parsing checks it");
    assert!((1..=4096).contains(&spec.width) && (1..=4096).contains(&spec.height));
    assert!(spec.std.iter().all(|std| *std > 0.0) && spec.mean.iter().all(|mean| mean.is_finite()));
    assert!((2..=65_536).contains(&manifest.text.context_length));
    assert!((1..=65_536).contains(&manifest.embedding_dim));
    assert_eq!(manifest.variants[0].precision, "fp32");
    // No file that it names is outside of its folder.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bundle.json"), text).expect("a file");
    if let Ok(bundle) = Bundle::open_unverified(folder.path()) {
        for name in bundle.manifest.files.keys() {
            if let Ok(path) = bundle.resolve(name) {
                let below = path.strip_prefix(folder.path()).expect("below the folder");
                let plain = |part| matches!(part, std::path::Component::Normal(_));
                assert!(below.components().all(plain), "{name:?}");
            }
        }
    }
}

/// A text, read by the demo model's tokenizer.
pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let side = &DEMO.manifest.text;
    let tokens = TOKENIZER.encode(&text).expect("any text has tokens");
    assert!(tokens.ids.len() <= side.context_length);
    assert_eq!(tokens.ids.last(), Some(&side.eot_id));
    assert_eq!(
        tokens.ids.first(),
        Some(&side.sot_id.unwrap_or(tokens.ids[0]))
    );
    let known = TOKENIZER.vocabulary_size();
    assert!(tokens.ids.iter().all(|id| (*id as usize) < known));
    // A text that says the special tokens' names says these characters: they are no tokens inside.
    let inside = &tokens.ids[usize::from(side.sot_id.is_some())..tokens.ids.len() - 1];
    assert!(
        inside
            .iter()
            .all(|id| *id != side.eot_id && Some(*id) != side.sot_id)
    );
    if tokens.truncated > 0 {
        assert_eq!(tokens.ids.len(), side.context_length);
    }
}

/// A `tokenizer.json`, and what it makes of some texts.
pub fn tokenizer_file(bytes: &[u8]) {
    let side = &DEMO.manifest.text;
    match TextTokenizer::from_bytes(bytes, side) {
        Ok(tokenizer) => {
            for text in ["", "a red bolt", "<|endoftext|> \u{e4}\u{1f600}"] {
                // As the threads do that tokenise: a panic is that text's failure.
                match catch_unwind(AssertUnwindSafe(|| tokenizer.encode(text))) {
                    Ok(Ok(tokens)) => assert!(tokens.ids.len() <= side.context_length),
                    Ok(Err(reason)) => assert!(!reason.is_empty()),
                    Err(_) => {}
                }
            }
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}
