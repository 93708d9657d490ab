//! Other tools' histories, read by our readers.
//!
//! `CONSISTORY_PEER_HISTORIES` names a folder with a `verdicts.tsv` whose first, second and sixth columns are a
//! file, its format and how many operations it has. Without it the test says that it was skipped. What the
//! histories mean is for the checkers' tests; here they are only read.

use consistory::history::formats::{ReadOptions, find, read};
use std::collections::BTreeMap;
use std::path::PathBuf;

const FORMATS: [&str; 4] = ["jepsen-edn", "jepsen-json", "jepsen-log", "porcupine-kv-log"];

/// A process that has two transactions open at a time: no recorder of sequential processes writes that.
const REFUSED: [&str; 1] = ["elle-tests/rw-register-076-checker-test.edn"];

#[test]
fn every_peer_history_is_read_whole_and_recognised() {
    let Some(folder) = std::env::var_os("CONSISTORY_PEER_HISTORIES").map(PathBuf::from) else {
        println!("SKIPPED peers: CONSISTORY_PEER_HISTORIES is not set");
        return;
    };
    let table = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("the folder has a verdicts.tsv");
    let rows: BTreeMap<&str, Row<'_>> = table.lines().filter_map(Row::parse).map(|row| (row.file, row)).collect();
    let mut failures = Vec::new();
    for row in rows.values() {
        let text = std::fs::read(folder.join(row.file)).expect(row.file);
        failures.extend(row.check(&text).err().map(|why| format!("{}: {why}", row.file)));
    }
    println!("{} peer histories read", rows.len());
    assert!(!rows.is_empty(), "verdicts.tsv lists no file of {FORMATS:?}");
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

struct Row<'t> {
    file: &'t str,
    format: &'t str,
    operations: Option<usize>,
}

impl<'t> Row<'t> {
    /// A row of one of the formats read here; the heading and the other formats are `None`.
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (file, format) = (fields.next()?, fields.next()?);
        let operations = fields.nth(3).and_then(|count| count.parse().ok());
        FORMATS.contains(&format).then_some(Self { file, format, operations })
    }

    fn check(&self, text: &[u8]) -> Result<(), String> {
        assert!(find(self.format).is_some(), "{} is a format", self.format);
        let options = ReadOptions::default();
        let history = match read(text, self.file, Some(self.format), &options) {
            Ok(history) => history,
            Err(_) if REFUSED.contains(&self.file) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        if REFUSED.contains(&self.file) {
            return Err("is read although it must be refused".to_owned());
        }
        let recognised = read(text, self.file, None, &options).map_err(|error| error.to_string())?;
        if recognised.len() != history.len() || recognised.warnings() != history.warnings() {
            return Err("is recognised as another format".to_owned());
        }
        let text = String::from_utf8_lossy(text);
        let count = |word: &str| text.matches(word).count();
        // Lines, since an error may itself be a map with a type.
        let events = text.lines().filter(|line| line.contains(":type ") || line.contains("\"type\"")).count();
        let invoked = count(":invoke") + count("\"invoke\"");
        let expected = if invoked > 0 { invoked } else { events };
        if history.len() != expected {
            return Err(format!("{} operations read, but {expected} are in the text", history.len()));
        }
        // The column counts operations in logs. In EDN and JSON it counts events, an invocation and a
        // completion being two, those of the nemesis sometimes among them and sometimes not.
        let faults = history.faults().len();
        match self.operations {
            Some(count) if ![invoked, events, events - faults].contains(&count) => {
                Err(format!("{invoked} operations and {events} events, but the table says {count}"))
            }
            _ => Ok(()),
        }
    }
}
