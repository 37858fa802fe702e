//! Counts the matches of every pattern in one chunk.

use crate::patterns::PATTERNS;
use regex::bytes::Regex;
#[cfg(feature = "set")]
use regex::bytes::RegexSet;

pub struct Scanner {
    regexes: Vec<Regex>,
    #[cfg(feature = "set")]
    set: RegexSet,
}

impl Scanner {
    pub fn new() -> Scanner {
        let compile = |(_, pattern): &(&str, &str)| Regex::new(pattern).expect("a pattern of this crate");
        Scanner {
            regexes: PATTERNS.iter().map(compile).collect(),
            #[cfg(feature = "set")]
            set: RegexSet::new(PATTERNS.iter().map(|(_, pattern)| pattern)).expect("patterns of this crate"),
        }
    }

    pub fn count(&self, chunk: &[u8], found: &mut [u64]) {
        #[cfg(feature = "set")]
        let candidates = self.set.matches(chunk).into_iter();
        #[cfg(not(feature = "set"))]
        let candidates = 0..self.regexes.len();
        for index in candidates {
            found[index] += self.regexes[index].find_iter(chunk).count() as u64;
        }
    }
}
