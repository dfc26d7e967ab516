//! Decompresses strips and tiles as a stream: except for JPEG, no decompressed strip is stored.

use std::io::{self, Cursor, Read};

use fax::decoder::{DecodeStatus, Group4Decoder, pels};
use weezl::{BitOrder, LzwStatus, decode::Configuration};

use super::compression::Compression;
use super::jpeg;
use super::layout::Layout;
use crate::preprocess::error::ImageError;

/// Opens a strip's or tile's bytes. `rows` is the number of its rows inside the picture.
pub(super) fn open<'a>(
    layout: &Layout<'_>,
    packed: &'a [u8],
    rows: usize,
) -> Result<Box<dyn Read + 'a>, ImageError> {
    if layout.compression == Compression::Jpeg {
        let samples = jpeg::samples(layout, packed, rows)?;
        return Ok(Box::new(Cursor::new(samples)));
    }
    if layout.reversed {
        let packed: Vec<u8> = packed.iter().map(|byte| byte.reverse_bits()).collect();
        unpacked(layout, Cursor::new(packed))
    } else {
        unpacked(layout, packed)
    }
}

fn unpacked<'a>(
    layout: &Layout<'_>,
    packed: impl io::BufRead + 'a,
) -> Result<Box<dyn Read + 'a>, ImageError> {
    Ok(match layout.compression {
        Compression::None | Compression::Jpeg => Box::new(packed),
        Compression::PackBits => Box::new(PackBits {
            packed,
            run: Run::Copied(0),
        }),
        Compression::Lzw => Box::new(Lzw::new(packed)),
        Compression::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(packed)),
        Compression::Fax4 => Box::new(Fax4::new(packed, layout.chunks.width)?),
    })
}

/// PackBits, Apple's run-length encoding (TIFF 6.0, section 9).
struct PackBits<R> {
    packed: R,
    run: Run,
}

/// The rest of a run.
enum Run {
    Copied(usize),
    Repeated(usize, u8),
}

impl<R: io::BufRead> PackBits<R> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        Ok((self.packed.read(&mut byte)? == 1).then_some(byte[0]))
    }
}

impl<R: io::BufRead> Read for PackBits<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.run {
                Run::Copied(0) | Run::Repeated(0, _) => {
                    let Some(head) = self.byte()? else {
                        return Ok(0);
                    };
                    self.run = match head as i8 {
                        // No operation.
                        -128 => Run::Copied(0),
                        copied @ 0.. => Run::Copied(copied as usize + 1),
                        repeated => {
                            let Some(byte) = self.byte()? else {
                                return Ok(0);
                            };
                            Run::Repeated(usize::from(repeated.unsigned_abs()) + 1, byte)
                        }
                    };
                }
                Run::Copied(left) => {
                    let most = out.len().min(*left);
                    let count = self.packed.read(&mut out[..most])?;
                    *left -= count;
                    return Ok(count);
                }
                Run::Repeated(left, byte) => {
                    let count = out.len().min(*left);
                    out[..count].fill(*byte);
                    *left -= count;
                    return Ok(count);
                }
            }
        }
    }
}

/// LZW as in TIFF or, detected by the first code, as before version 6.0: with the low bit of a byte first.
struct Lzw<R> {
    packed: R,
    decoder: weezl::decode::Decoder,
}

impl<R: io::BufRead> Lzw<R> {
    fn new(mut packed: R) -> Self {
        // Both variants begin with the code 256 in nine bits.
        let old = packed
            .fill_buf()
            .is_ok_and(|bytes| matches!(bytes, [0, second, ..] if second & 1 == 1));
        let configuration = if old {
            Configuration::new(BitOrder::Lsb, 8)
        } else {
            Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
        };
        Self {
            packed,
            decoder: configuration.with_yield_on_full_buffer(true).build(),
        }
    }
}

impl<R: io::BufRead> Read for Lzw<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // A string that does not fit is moved into the decoder's buffer by one call, and from there by the next.
        let mut idle = false;
        loop {
            let done = self.decoder.decode_bytes(self.packed.fill_buf()?, out);
            self.packed.consume(done.consumed_in);
            let status = done
                .status
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let moved = done.consumed_in > 0;
            let ended = matches!(status, LzwStatus::Done) || (idle && !moved);
            if done.consumed_out > 0 || ended || out.is_empty() {
                return Ok(done.consumed_out);
            }
            idle = !moved;
        }
    }
}

/// The compressed bytes, one after another.
type Digits<R> = io::Bytes<R>;

/// CCITT's group 4. Returns rows of one bit per pixel, padded to a byte; a set bit is black.
struct Fax4<R> {
    decoder: Group4Decoder<Digits<R>>,
    width: u16,
    row: Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: io::BufRead> Fax4<R> {
    fn new(packed: R, width: usize) -> Result<Self, ImageError> {
        let width = u16::try_from(width)
            .map_err(|_| super::refusals::unsupported(&format!("fax rows of {width} pixels")))?;
        let decoder = Group4Decoder::new(packed.bytes(), width);
        Ok(Self {
            decoder: decoder.map_err(|error| super::refusals::corrupt(&error.to_string()))?,
            width,
            row: Cursor::default(),
            ended: false,
        })
    }

    fn next_row(&mut self) -> io::Result<()> {
        let damaged = |_| io::Error::new(io::ErrorKind::InvalidData, "damaged fax row");
        // White rows at the end may be missing.
        self.ended = self.ended || self.decoder.advance().map_err(damaged)? == DecodeStatus::End;
        let row = self.row.get_mut();
        row.clear();
        row.resize(usize::from(self.width).div_ceil(8), 0);
        if !self.ended {
            let colours = pels(self.decoder.transition(), self.width);
            for (x, colour) in colours.enumerate() {
                if let (fax::Color::Black, Some(byte)) = (colour, row.get_mut(x / 8)) {
                    *byte |= 0x80 >> (x % 8);
                }
            }
        }
        self.row.set_position(0);
        Ok(())
    }
}

impl<R: io::BufRead> Read for Fax4<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.row.position() >= self.row.get_ref().len() as u64 {
            self.next_row()?;
        }
        self.row.read(out)
    }
}
