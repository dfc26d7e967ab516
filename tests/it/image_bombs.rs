//! Small image files with large costs: memory stays near the picture's own, time is limited, and nothing is decoded for
//! a client that disconnected. Each test failed before the server had its own TIFF reader, and before decoding could
//! stop.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clip_in::preprocess::{
    CropRounding, ImageOptions, ImageSpec, InputLayout, Interpolation, Limits, ResizeMode, Stop,
    decode_for,
};
use flate2::{Compression, write::ZlibEncoder};

use crate::support::server::{Server, failure, fixture, success};

const MIB: u64 = 1 << 20;
const BYTES: &str = "application/octet-stream";

/// A little-endian TIFF file: `data` from byte 8 on, then the directory of tags with one or more 32-bit values.
fn tiff(data: &[u8], tags: &[(u16, &[u32])]) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend_from_slice(data);
    let mut directory = u16::try_from(tags.len()).unwrap().to_le_bytes().to_vec();
    for (tag, values) in tags {
        let mut place = file.len() as u32;
        match values {
            [value] => place = *value,
            _ => values
                .iter()
                .for_each(|value| file.extend_from_slice(&value.to_le_bytes())),
        }
        directory.extend_from_slice(&tag.to_le_bytes());
        directory.extend_from_slice(&4_u16.to_le_bytes());
        directory.extend_from_slice(&(values.len() as u32).to_le_bytes());
        directory.extend_from_slice(&place.to_le_bytes());
    }
    let start = file.len() as u32;
    file[4..8].copy_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&directory);
    file.extend_from_slice(&[0; 4]);
    file
}

/// A TIFF file of grey strips with one row each, all with the same bytes.
fn sharing_strips(width: u32, rows: usize, compression: u32, packed: &[u8]) -> Vec<u8> {
    let tags: &[(u16, &[u32])] = &[
        (256, &[width]),
        (257, &[rows as u32]),
        (258, &[8]),
        (259, &[compression]),
        (262, &[1]),
        (273, &vec![8; rows]),
        (277, &[1]),
        (278, &[1]),
        (279, &vec![packed.len() as u32; rows]),
    ];
    tiff(packed, tags)
}

/// A grey JPEG whose header declares 16384 by 16384 pixels.
fn huge_jpeg() -> Vec<u8> {
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 80)
        .encode(&[128; 64], 8, 8, jpeg_encoder::ColorType::Luma)
        .unwrap();
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
    jpeg
}

/// A PNG file of four channels of 16 bits, all zero.
fn deep_png(side: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], content: &[u8]| {
        file.extend_from_slice(&(content.len() as u32).to_be_bytes());
        let named = [&name[..], content].concat();
        file.extend_from_slice(&named);
        file.extend_from_slice(&crc32fast::hash(&named).to_be_bytes());
    };
    let side_bytes = side.to_be_bytes();
    let header = [&side_bytes[..], &side_bytes, &[16, 6, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    let row = vec![0; side as usize * 8 + 1];
    for _ in 0..side {
        packed.write_all(&row).unwrap();
    }
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    file
}

#[test]
fn a_strip_s_jpeg_is_no_larger_than_the_strip() {
    let server = Server::start();
    let before = server.resident_bytes();
    let jpeg = huge_jpeg();
    let file = tiff(
        &jpeg,
        &[
            (256, &[64]),
            (257, &[1]),
            (258, &[8]),
            (259, &[7]),
            (262, &[1]),
            (273, &[8]),
            (277, &[1]),
            (278, &[1]),
            (279, &[jpeg.len() as u32]),
        ],
    );
    assert!(file.len() < 1000);
    let (status, code, _) = failure(server.post_bytes("/v1/embeddings", BYTES, file));
    assert_eq!((status, code.as_str()), (400, "image_corrupt"));
    let grown = server.peak_bytes() - before;
    assert!(grown < 100 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn strips_do_not_share_bytes() {
    let server = Server::start();
    // A row after PackBits bytes that encode nothing: each strip would decode all of them.
    let mut nothing = vec![0x80; 10_000_000];
    nothing.extend_from_slice(&[193, 128]);
    // The same with Deflate: empty blocks.
    let mut row = ZlibEncoder::new(Vec::new(), Compression::fast());
    row.write_all(&[128; 64]).unwrap();
    let row = row.finish().unwrap();
    let (head, row) = row.split_at(2);
    let stored = [head, &[0, 0, 0, 0xff, 0xff].repeat(400_000), row].concat();
    let started = Instant::now();
    for file in [
        sharing_strips(64, 2_000, 32773, &nothing),
        sharing_strips(64, 16_000, 8, &stored),
    ] {
        let (status, code, _) = failure(server.post_bytes("/v1/embeddings", BYTES, file));
        assert_eq!((status, code.as_str()), (400, "image_corrupt"));
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{started:?}");
}

#[test]
fn a_16_bit_picture_takes_three_bytes_per_pixel() {
    let server = Server::start();
    // 58 MiB as 8-bit RGB, and twice that as 16-bit. On a busy machine a larger one would come to the limit of time.
    let file = deep_png(4_500);
    let before = server.resident_bytes();
    success(server.post_bytes("/v1/embeddings", BYTES, file));
    let grown = server.peak_bytes() - before;
    assert!(grown < 130 * MIB, "{} MiB", grown / MIB);
}

/// CPU time of a server so far.
fn used(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

/// Waits until a server is idle.
fn idle(server: &Server) -> Duration {
    loop {
        let before = used(server);
        std::thread::sleep(Duration::from_millis(700));
        if used(server) <= before + Duration::from_millis(20) {
            return used(server);
        }
    }
}

#[test]
fn decoding_for_a_disconnected_client_is_stopped() {
    let server = Server::start_with(&["--prepare-threads", "1"]);
    let file = deep_png(5_000);
    // The first request allocates what is allocated once.
    success(server.post_bytes("/v1/embeddings", BYTES, fixture("one-pixel.png")));
    let before = idle(&server);
    success(server.post_bytes("/v1/embeddings", BYTES, file.clone()));
    let whole = idle(&server) - before;

    let before = idle(&server);
    let mut client = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: {BYTES}\r\ncontent-length: {}\r\n\r\n",
        file.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&file).unwrap();
    while used(&server) < before + whole / 6 {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(client);
    let part = idle(&server) - before;
    assert!(part < whole / 2, "{part:?} of {whole:?}");
    success(server.post_bytes("/v1/embeddings", BYTES, fixture("one-pixel.png")));
}

#[test]
fn decoding_an_image_has_a_time_limit() {
    let spec = ImageSpec {
        height: 32,
        width: 32,
        mean: [0.5; 3],
        std: [0.5; 3],
        resize_mode: ResizeMode::Squash,
        interpolation: Interpolation::Bicubic,
        crop_rounding: CropRounding::HalfEven,
        fill_color: 0,
        exif_orientation: false,
        layout: InputLayout::NhwcUint8,
    };
    let over = Stop::never().within(Duration::ZERO);
    for name in [
        "420.jpg",
        "rgb.png",
        "lzw.tiff",
        "rgb.gif",
        "rgb.bmp",
        "lossless.webp",
    ] {
        let file = fixture(name);
        let error = decode_for(
            &file,
            &Limits::default(),
            &spec,
            ImageOptions::default(),
            &over,
        )
        .unwrap_err();
        assert_eq!(error.code(), "image_takes_too_long", "{name}");
        assert!(
            decode_for(
                &file,
                &Limits::default(),
                &spec,
                ImageOptions::default(),
                &Stop::never()
            )
            .is_ok()
        );
    }
}
