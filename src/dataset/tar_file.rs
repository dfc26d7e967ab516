//! The bytes of a tar, compressed or not.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

/// First bytes of compressed files, and the name of their compression.
const OTHERS: [(&[u8], &str); 3] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
];
const GZIP: &[u8] = b"\x1f\x8b";

/// An open tar. A compressed one can only be read forwards: skipping a member reads it.
pub struct TarFile<T> {
    content: Content<T>,
    place: u64,
    /// Whether only zeros were read since the last jump, as at a tar's end.
    ended: bool,
}

enum Content<T> {
    Plain(T),
    Gzip(Box<MultiGzDecoder<BufReader<T>>>),
}

impl<T: Read + Seek> TarFile<T> {
    /// Checks the first bytes.
    ///
    /// # Errors
    /// If the file cannot be read, or if its compression is not gzip.
    pub fn new(mut file: T) -> io::Result<Self> {
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        file.rewind()?;
        if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(io::Error::other(format!(
                "the tar is compressed by {name}; only gzip is supported; decompress it first"
            )));
        }
        let content = if start.starts_with(GZIP) {
            Content::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(file))))
        } else {
            Content::Plain(file)
        };
        Ok(Self {
            content,
            place: 0,
            ended: false,
        })
    }

    /// Whether the last block was empty: a tar that ends elsewhere is truncated.
    pub fn is_at_end(&self) -> bool {
        self.ended
    }

    fn forward(&mut self, bytes: u64) -> io::Result<u64> {
        let skipped = io::copy(&mut self.by_ref().take(bytes), &mut io::sink())?;
        self.ended = false;
        if skipped < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.place)
    }
}

impl<T: Read> Read for TarFile<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.content {
            Content::Plain(file) => file.read(buffer)?,
            Content::Gzip(file) => file.read(buffer)?,
        };
        let found = buffer.get(..read).unwrap_or_default();
        if !found.is_empty() {
            self.ended = found.iter().all(|byte| *byte == 0);
        }
        self.place += read as u64;
        Ok(read)
    }
}

impl<T: Read + Seek> Seek for TarFile<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.ended = false;
        if let Content::Plain(file) = &mut self.content {
            self.place = file.seek(to)?;
            return Ok(self.place);
        }
        match to {
            SeekFrom::Current(bytes) if bytes >= 0 => self.forward(bytes.unsigned_abs()),
            _ => Err(io::Error::other("a compressed tar is read forward only")),
        }
    }
}
