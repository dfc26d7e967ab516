//! Adds a measured record to a set, and records what is wrong with it.

use anyhow::Context;

use super::Set;
use crate::audit::edit_type::edit_type;
use crate::audit::findings::{Check, Example};
use crate::audit::measure::{Measured, MeasuredImage, MeasuredText, hash};
use crate::audit::record::side_name;
use crate::audit::words::shortened;
use crate::matching::cosine as similarity;

impl Set {
    /// Adds a record. What also occurs in `train` is recorded as leaked.
    ///
    /// # Errors
    /// If there are more records than can be counted.
    pub fn add(&mut self, measured: Measured, train: Option<&Self>) -> anyhow::Result<()> {
        let record = u32::try_from(self.places.len())
            .ok()
            .filter(|record| *record < u32::MAX / 2)
            .context("an audit takes at most 2,000 million records; use --limit")?;
        let at = measured.place.to_string();
        let count = measured.sides.len();
        self.places.push(measured.place.clone());
        self.sides_of.push(u8::try_from(count).unwrap_or(u8::MAX));
        self.things += 2 * count as u64;
        for (side, problem) in &measured.problems {
            self.note_problem(format!("{at}{side}"), problem.clone());
        }
        for (i, side) in measured.sides.iter().enumerate() {
            let name = side_name(count, i);
            if let Some(image) = &side.image {
                self.add_image(image, record * 2 + i as u32, train);
            }
            if let Some(caption) = &side.caption {
                self.add_caption(caption, record, &format!("{at}{name}"), train);
            }
            if let Some(long) = &side.long {
                self.things += 1;
                self.long.add(long.tokens, long.lost);
                self.note_cut(long, &format!("{at}{name} long"));
            }
        }
        if count == 2 {
            self.add_pair(&measured, &at);
        } else if let Some(category) = &measured.category {
            self.categories.add(category);
        }
        Ok(())
    }

    fn add_image(&mut self, image: &MeasuredImage, owner: u32, train: Option<&Self>) {
        self.sizes.add(image.size, self.settings.input);
        let first = self.images.by_bytes.get(&image.bytes).copied();
        match first {
            None => {
                self.images.by_bytes.insert(image.bytes, owner);
            }
            // Two equal sides of a pair: that is an unchanged image.
            Some(first) if first / 2 == owner / 2 => {}
            Some(first) => {
                let (at, other) = (self.owner_name(owner), self.owner_name(first));
                self.note(Check::Duplicates, &["same_bytes"], || Example {
                    at,
                    other: Some(other),
                    ..Example::default()
                });
            }
        }
        self.images.by_pixels.entry(image.pixels).or_insert(owner);
        let in_train = train.and_then(|train| {
            let by_bytes = train.images.by_bytes.get(&image.bytes);
            let by_pixels = train.images.by_pixels.get(&image.pixels);
            let known = by_bytes.map(|owner| ("same_bytes", *owner));
            let known = known.or(by_pixels.map(|owner| ("same_pixels", *owner)));
            known.map(|(kind, owner)| (kind, train.owner_name(owner)))
        });
        self.images.leaked.push(in_train.is_some());
        if let Some((kind, other)) = in_train {
            let at = self.owner_name(owner);
            self.note(Check::Leak, &[kind], || Example {
                at,
                other: Some(other),
                ..Example::default()
            });
        }
        self.images.owners.push(owner);
        self.images.bytes.push(image.bytes);
        self.images.pixels.push(image.pixels);
        self.images.vectors.push(&image.embedding);
    }

    fn add_caption(&mut self, caption: &MeasuredText, record: u32, at: &str, train: Option<&Self>) {
        self.caption_count += 1;
        self.short.add(caption.tokens, caption.lost);
        self.note_cut(caption, at);
        // Differences in capitals and spaces do not make a different caption.
        let words: Vec<_> = caption.text.split_whitespace().collect();
        let key = hash(words.join(" ").to_lowercase().as_bytes());
        let example = |other: String| Example {
            at: at.to_owned(),
            other: Some(other),
            note: shortened(&caption.text),
            ..Example::default()
        };
        let (first, count) = self
            .captions
            .entry(key)
            .and_modify(|known| known.1 += 1)
            .or_insert((record, 1));
        let (first, count) = (*first, *count);
        if count > 1 {
            self.repeated.note(key, &caption.text, count);
        }
        if first != record {
            let other = self.record_name(first as usize);
            self.note(Check::DuplicateCaptions, &[], || example(other));
        }
        if let Some(train) = train
            && let Some((first, _)) = train.captions.get(&key)
        {
            let other = train.record_name(*first as usize);
            self.note(Check::LeakCaptions, &[], || example(other));
        }
    }

    fn note_cut(&mut self, text: &MeasuredText, at: &str) {
        if text.lost > 0 {
            self.note(Check::Truncated, &[], || Example {
                at: at.to_owned(),
                note: format!("{} of {} tokens are lost", text.lost, text.tokens),
                ..Example::default()
            });
        }
    }

    fn add_pair(&mut self, measured: &Measured, at: &str) {
        let [source, target] = &measured.sides[..] else {
            return;
        };
        self.pairs += 1;
        let failed = self.quality.add(&measured.quality);
        if !failed.is_empty() {
            self.note(Check::Quality, &[], || Example {
                at: at.to_owned(),
                note: failed.join(", "),
                ..Example::default()
            });
        }
        let mut same = Vec::new();
        if let (Some(before), Some(after)) = (&source.caption, &target.caption) {
            self.sides.add(&before.text, &after.text);
            self.swaps.add(&before.text, &after.text);
            let prompt = measured.prompt.as_deref();
            match edit_type(&before.text, &after.text, prompt) {
                None => same.push("same_caption"),
                Some(found) => self.by_rule.add(found),
            }
        }
        self.categories
            .add(measured.category.as_deref().unwrap_or("(none given)"));
        let mut cosine = None;
        if let (Some(before), Some(after)) = (&source.image, &target.image) {
            self.resized += u64::from(before.size != after.size);
            let value = similarity(&before.embedding, &after.embedding);
            self.pair_cosines.push(value);
            if before.bytes == after.bytes {
                same.push("same_bytes");
            } else if before.pixels == after.pixels {
                same.push("same_pixels");
            } else if value >= self.settings.unchanged {
                same.push("near_identical");
            }
            cosine = Some(value);
            self.compare_captions(measured, at);
        }
        if !same.is_empty() {
            self.note(Check::Unchanged, &same, || Example {
                at: at.to_owned(),
                note: same.join(", "),
                value: cosine,
                ..Example::default()
            });
        }
    }

    /// Whether the captions of a pair fit better when swapped.
    fn compare_captions(&mut self, measured: &Measured, at: &str) {
        let mut parts = measured
            .sides
            .iter()
            .map(|side| Some((side.image.as_ref()?, side.text_embedding.as_ref()?)));
        let (Some(Some((image, text))), Some(Some((other_image, other_text)))) =
            (parts.next(), parts.next())
        else {
            return;
        };
        let kept =
            similarity(&image.embedding, text) + similarity(&other_image.embedding, other_text);
        let swapped =
            similarity(&image.embedding, other_text) + similarity(&other_image.embedding, text);
        let margin = swapped - kept;
        self.swap_margins.push(margin);
        if margin > self.settings.swap_margin {
            self.note(Check::Swapped, &[], || Example {
                at: at.to_owned(),
                note: "the model prefers the swapped captions".to_owned(),
                value: Some(margin),
                ..Example::default()
            });
        }
    }
}
