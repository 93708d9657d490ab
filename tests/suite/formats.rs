//! Readers of histories: what each accepts, and exactly what it says about what it refuses.

use consistory::history::formats::consistory::{EventLine, Payload, encode_event, encode_header};
use consistory::history::formats::{ReadError, ReadOptions, all, find, read, schema};
use consistory::history::{Actor, Header, History, Nanos, Outcome, Phase, ProcessId, Retry, Value};
use std::fmt::Write as _;
use std::io::{Read, Write as _};

const HEADER: &str = "{\"consistory\":1}\n";
const WRITE: &str = "{\"time\":1,\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":5}\n";
const WROTE: &str = "{\"time\":2,\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":5}\n";

fn open(text: impl AsRef<[u8]>) -> Result<History, ReadError> {
    read(text.as_ref(), "h", None, &ReadOptions::default())
}

fn accepted(text: impl AsRef<[u8]>) -> History {
    open(text).expect("a history")
}

fn refused(text: impl AsRef<[u8]>) -> String {
    let error = open(text).map(|history| format!("{} operations", history.len())).expect_err("no history");
    error.to_string()
}

/// The first line of the message.
fn first_line(text: impl AsRef<[u8]>) -> String {
    refused(text).lines().next().expect("a message").to_owned()
}

mod catalogue {
    use super::*;

    #[test]
    fn every_format_has_its_own_name_and_is_found_by_it() {
        for format in all() {
            let info = format.info();
            assert_eq!(find(info.name).expect("listed").info(), info);
            assert!(!info.about.is_empty() && !info.extensions.is_empty());
            assert!(info.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        }
        assert!(find("no-such-format").is_none());
    }

    #[test]
    fn a_file_is_recognised_by_exactly_one_format() {
        let heads = [
            ("consistory", HEADER),
            ("consistory", WRITE),
            ("jepsen-edn", "; note\n[{:process 0, :type :invoke, :f :read, :value nil}"),
            ("jepsen-edn", "#jepsen.history.Op{:index 0"),
            ("jepsen-json", "[\n {\"process\":0,"),
            ("jepsen-log", "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"),
            ("porcupine-kv-log", "{:process 0, :type :invoke, :f :get, :key \"7\", :value nil}\n"),
            ("plume-text", "w(1,2,0,-1)\nr(1,0,1,1)\n"),
            ("awdit-text", "w 0 1\n-----\n"),
            ("dbcop-json", "{\"id\":0,\"data\":[[{\"events\":[]"),
        ];
        for (name, head) in heads {
            let sure: Vec<_> = all().iter().filter(|format| format.detects(head.as_bytes())).collect();
            let names: Vec<_> = sure.iter().map(|format| format.info().name).collect();
            assert_eq!(names, [name], "{head}");
        }
    }

    #[test]
    fn what_no_format_recognises_is_refused_with_their_names() {
        let message = refused("hello\n");
        assert!(message.starts_with("h: this looks like no history format I know; name it with --from, one of: "));
        assert!(all().iter().all(|format| message.contains(format.info().name)), "{message}");
        let named = read(&b"x"[..], "h", Some("csv"), &ReadOptions::default()).expect_err("unknown").to_string();
        assert!(named.starts_with("h: there is no history format 'csv'; --from takes one of: consistory "), "{named}");
    }
}

mod own_format {
    use super::*;

    #[test]
    fn every_error_names_its_line_and_column() {
        let bad = |line: &str| first_line(format!("{HEADER}{WRITE}{line}\n{WROTE}"));
        for (line, start) in [
            ("{\"process\":1,\"type\":\"okay\",\"f\":\"r\"}", "h:3:21: unknown type \"okay\"; an event's type is"),
            ("{\"process\":1,\"f\":\"r\"}", "h:3:1: the event has no 'type'; every event needs process, type and f"),
            ("{\"process\":-1,\"type\":\"ok\",\"f\":\"r\"}", "h:3:12: 'process' is -1, but must be a whole number"),
            ("{\"process\":1,\"type\":\"ok\",\"f\":3}", "h:3:30: 'f' is 3, but must be the name"),
            ("{\"process\":1,\"type\":\"ok\",\"f\":\"r\",\"value\":[1, 2.5]}", "h:3:46: the number 2.5 is not"),
            (
                "{\"process\":1,\"type\":\"ok\",\"f\":\"r\",\"value\":9223372036854775808}",
                "h:3:42: the number 9223372036854775808 is not a whole number of 64 bits",
            ),
            ("{\"process\":1,\"time\":1.5,\"type\":\"ok\",\"f\":\"r\"}", "h:3:21: 'time' is 1.5, but must be"),
            ("{\"process\":1,\"type\":\"ok\" \"f\":\"r\"}", "h:3:26: not JSON: expected `,` or `}`"),
            (
                "{\"process\":1,\"type\":\"ok\",\"f\":\"r",
                "h:3:31: this line is cut off, and not at the end of the file",
            ),
            ("nonsense", "h:3:2: not JSON: expected ident"),
            ("{\"consistory\":1}", "h:3:1: a second header: two files were joined"),
            (
                "{\"process\":0,\"type\":\"invoke\",\"f\":\"r\"}",
                "h:3:2: process 0 invokes 'r' while its operation of line 2 is still open",
            ),
            ("{\"process\":7,\"type\":\"ok\",\"f\":\"r\"}", "h:3:2: process 7 completes 'r' but has no operation open"),
            (
                "{\"process\":0,\"type\":\"ok\",\"f\":\"r\"}",
                "h:3:26: process 0 completes 'r' but line 2 invoked 'write'",
            ),
            (
                "{\"process\":1,\"type\":\"invoke\",\"f\":\"r\",\"time\":0}",
                "h:3:38: time goes backwards: 0 ns after 1 ns on line 2",
            ),
        ] {
            let message = bad(line);
            assert!(message.starts_with(start), "{line}\n gives {message}\n not  {start}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_at_their_place() {
        let with = |bytes: &[u8]| {
            let line: &[u8] = b"{\"process\":1,\"type\":\"invoke\",\"f\":\"r";
            first_line([HEADER.as_bytes(), line, bytes, b"\"}\n", WRITE.as_bytes()].concat())
        };
        assert!(with(b"\xff").starts_with("h:2:36: these bytes are not UTF-8"));
        assert!(with(b"\0").starts_with("h:2:36: there are NUL bytes here"));
    }

    #[test]
    fn an_error_shows_the_place_in_a_long_line() {
        let long = "x".repeat(100_000);
        let text = format!("{HEADER}{{\"process\":0,\"note\":\"{long}\",\"type\":\"okay\",\"f\":\"r\"}}\n");
        let message = refused(text);
        let lines: Vec<_> = message.lines().collect();
        assert!(lines[0].starts_with("h:2:100031: unknown type"), "{}", lines[0]);
        assert!(lines[1].contains("\"type\":\"okay\"") && lines[1].chars().count() < 150, "{}", lines[1]);
        let caret = lines[2].find('^').expect("a caret");
        assert_eq!(lines[1].chars().skip(caret).take(6).collect::<String>(), "\"okay\"");
    }

    #[test]
    fn a_torn_last_line_is_a_warning_and_the_rest_a_history() {
        let whole = format!("{HEADER}{WRITE}{WROTE}");
        for cut in HEADER.len() + WRITE.len() + 1..whole.len() - 1 {
            let history = accepted(&whole[..cut]);
            let operation = history.operations().next().expect("the invocation is whole");
            assert_eq!(operation.outcome(), Outcome::Indeterminate, "cut at {cut}");
            assert_eq!(history.warnings(), ["line 3 is torn; the history is what came before it"]);
        }
        let complete = accepted(&whole[..whole.len() - 1]);
        assert_eq!(complete.operations().next().expect("one").outcome(), Outcome::Completed);
        assert!(complete.warnings().is_empty(), "only the line break is missing");
    }

    #[test]
    fn a_tail_of_nul_bytes_is_torn_too() {
        let history = accepted([HEADER.as_bytes(), WRITE.as_bytes(), &[0; 4096]].concat());
        assert_eq!((history.len(), history.warnings().len()), (1, 1));
    }

    #[test]
    fn an_empty_file_and_one_with_a_torn_header_are_empty() {
        for text in ["", "\n\n", "{\"consist", "{\"consistory\":1,\"tool\":\"c"] {
            let message = read(text.as_bytes(), "h", Some("consistory"), &ReadOptions::default());
            let message = message.map(|history| history.len()).expect_err("empty").to_string();
            assert!(message.starts_with("h: the file is empty: there is no event in it"), "{text}: {message}");
        }
        assert!(accepted(HEADER).is_empty(), "a header alone is a run that did nothing");
    }

    #[test]
    fn a_file_without_a_header_is_read_with_a_warning() {
        let history = accepted(format!("{WRITE}{WROTE}"));
        assert_eq!(history.len(), 1);
        assert!(history.warnings()[0].starts_with("there is no header line"), "{:?}", history.warnings());
    }

    #[test]
    fn process_ids_may_be_as_large_as_32_bits() {
        let id = |process: u32, kind| format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"r\"}}\n");
        let (last, large) = (u32::MAX, 1 << 16);
        let text = [id(last, "invoke"), id(large, "invoke"), id(large, "ok"), id(last, "fail"), id(large, "invoke")];
        let history = accepted(format!("{HEADER}{}", text.concat()));
        let outcomes: Vec<_> = history.operations().map(|operation| operation.outcome()).collect();
        assert_eq!(outcomes, [Outcome::Rejected, Outcome::Completed, Outcome::Indeterminate]);
        let again = first_line(format!("{HEADER}{}{}{}", id(last, "invoke"), id(last, "info"), id(last, "invoke")));
        assert!(again.contains("after its indeterminate operation of line 2"), "{again}");
    }

    #[test]
    fn a_newer_version_is_named() {
        let message = first_line("{\"consistory\":2,\"unknown\":[1.5]}\n");
        assert!(message.starts_with("h:1:1: the file is of history version 2, this program reads versions up to 1"));
    }

    #[test]
    fn any_order_spacing_and_unknown_field_is_read() {
        let spaced = "{ \"extra\": 1.5, \"value\": {\"b\": [null, true], \"7\": -3}, \"f\": \"wr\\u0069te\",\
                      \"type\": \"invoke\", \"process\": 0, \"key\": null, \"node\": null, \"time\": null }\r\n\r\n";
        let history = accepted(format!("\u{feff}{HEADER}\n{spaced}"));
        let operation = history.operations().next().expect("one");
        assert_eq!((operation.function(), operation.line()), ("write", 3));
        let pair = |key, value| (key, value);
        let expected = Value::Map(Box::new([
            pair(Value::Int(7), Value::Int(-3)),
            pair(Value::text("b"), Value::List(Box::new([Value::Nil, Value::Bool(true)]))),
        ]));
        assert_eq!(operation.argument_value(), expected);
        assert!(operation.key().is_absent());
    }

    #[test]
    fn a_line_without_end_is_refused_with_bounded_memory() {
        let endless = HEADER.as_bytes().chain(&b"{\"process\":\""[..]).chain(std::io::repeat(b'x'));
        let error = read(endless, "h", None, &ReadOptions::default()).expect_err("endless").to_string();
        assert!(error.starts_with("h:2:1: this line is longer than 64 MiB"), "{error}");
        assert!(error.len() < 1000);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let mut text = HEADER.to_owned();
        for number in 0..60_000 {
            let (process, value) = (number % 7, number * 31 % 1000 + 1);
            for kind in ["invoke", "ok"] {
                writeln!(
                    text,
                    "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"write\",\"value\":[\"v{value}\",-{value}]}}"
                )
                .expect("memory");
            }
        }
        let dump = |threads| {
            let options = ReadOptions { threads, ..ReadOptions::default() };
            let history = read(text.as_bytes(), "h", None, &options).expect("well formed");
            history.operations().map(|operation| format!("{operation:?}{}", operation.line())).collect::<Vec<_>>()
        };
        assert!(text.len() > 4 << 20, "several blocks");
        let one = dump(1);
        assert_eq!(one.len(), 60_000);
        assert!(one == dump(2) && one == dump(4));
        let broken = format!("{text}{{\"process\":0}}\n{text}");
        let message = |threads| {
            let options = ReadOptions { threads, ..ReadOptions::default() };
            read(broken.as_bytes(), "h", None, &options).expect_err("broken").to_string()
        };
        assert!(message(1).starts_with("h:120002:1: the event has no 'type'"), "{}", message(1));
        assert_eq!(message(1), message(3));
    }
}

mod compression {
    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn long_history() -> Vec<u8> {
        let mut text = HEADER.to_owned();
        for number in 0..20_000 {
            writeln!(text, "{{\"process\":{number},\"type\":\"invoke\",\"f\":\"r{number}\"}}").expect("memory");
        }
        text.into_bytes()
    }

    #[test]
    fn compressed_files_are_read_as_if_they_were_not() {
        let text = long_history();
        for packed in [gzip(&text), zstd::encode_all(&text[..], 1).expect("memory")] {
            let history = accepted(&packed);
            assert_eq!(history.len(), 20_000);
            assert!(history.warnings().is_empty());
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_a_warning_and_its_prefix_a_history() {
        let text = long_history();
        for packed in [gzip(&text), zstd::encode_all(&text[..], 1).expect("memory")] {
            let history = accepted(&packed[..packed.len() * 3 / 4]);
            assert!(history.len() < 20_000);
            let warnings = history.warnings();
            assert!(warnings.last().expect("one").contains("stream ends early"), "{warnings:?}");
        }
    }

    #[test]
    fn a_damaged_stream_is_an_error() {
        let mut packed = gzip(&long_history());
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        let message = first_line(&packed);
        assert!(message.starts_with("h: the gzip stream is damaged: "), "{message}");
    }
}

mod peers {
    use super::*;

    #[test]
    fn jepsen_maps_come_one_a_line_in_a_vector_in_a_list_and_tagged() {
        let one = "{:process 0, :type :invoke, :f :cas, :value [1 2], :time 5, :latency 1.5}";
        let two = "{:f :cas :type :info :error [:timeout \"x\"] :value nil :process 0}";
        let fault = "{:process :nemesis, :type :info, :f :kill, :value {:n1 0.5}}";
        for text in [
            format!("{one}\n{two}\n{fault}\n"),
            format!("; a note\n[{one}\n ; another\n {two}, {fault}]\n"),
            format!("({one} {two} {fault})"),
            format!("#jepsen.history.Op{one}\n#_ {{:gone 1}}\n#jepsen.history.Op {two}\n{fault}"),
        ] {
            let history = accepted(&text);
            let operation = history.operations().next().expect("one");
            assert_eq!((operation.function(), operation.outcome()), ("cas", Outcome::Indeterminate));
            assert_eq!(operation.error(), "[:timeout \"x\"]");
            assert_eq!(operation.argument_value(), Value::List(Box::new([Value::Int(1), Value::Int(2)])));
            assert_eq!((history.len(), history.faults().len()), (1, 1), "{text}");
            assert!(history.warnings().is_empty(), "{:?}", history.warnings());
        }
    }

    #[test]
    fn errors_in_edn_name_line_and_column() {
        let first = "[{:process 0, :type :invoke, :f :read, :value nil}\n";
        for (line, start) in [
            (" {:process 0, :type :okay, :f :read}]", "h:2:21: unknown type :okay"),
            (" {:process x, :type :ok, :f :read}]", "h:2:12: 'process' is x, but must be"),
            (" {:process 0, :type :ok, :f :read, :value 1.5}]", "h:2:43: the number 1.5 is not"),
            (" {:process 0, :f :read}]", "h:2:2: the event has no 'type'"),
            (" {:process 0, :type :ok, :f :write}]", "h:2:2: process 0 completes 'write' but line 1 invoked 'read'"),
            (" 17]", "h:2:2: not EDN: an event must be a map"),
            (" }", "h:2:2: a closing bracket that nothing opens"),
        ] {
            let message = first_line(format!("{first}{line}"));
            assert!(message.starts_with(start), "{line}\n gives {message}\n not  {start}");
        }
    }

    #[test]
    fn a_torn_map_at_the_end_is_a_warning_and_one_in_the_middle_an_error() {
        let (one, two) = (
            "{:process 0, :type :invoke, :f :read, :value nil}\n",
            "{:process 1, :type :invoke, :f :read, :value nil}\n",
        );
        let history = accepted(format!("{one}{}", &two[..20]));
        assert_eq!(
            (history.len(), history.warnings()),
            (1, &["line 2 is torn; the history is what came before it".to_owned()][..])
        );
        let message = first_line(format!("{one}{}\n{two}", &two[..20]));
        assert!(message.starts_with("h:2:1: this event is cut off, and not at the end of the file"), "{message}");
        let history = accepted(format!("[{one}{two}"));
        assert!(history.warnings()[0].starts_with("the bracket around all events is never closed"));
    }

    #[test]
    fn pairs_become_keys_when_asked_or_when_nothing_else_is_possible() {
        let keyed = "{:process 0 :type :invoke :f :read :value [7 nil]}\n{:process 0 :type :ok :f :read :value [7 3]}\n\
                     {:process 1 :type :invoke :f :cas :value [7 [1 2]]}\n{:process 1 :type :fail :f :cas :value nil}\n";
        let history = accepted(keyed);
        let operations: Vec<_> = history.operations().collect();
        assert_eq!(operations[0].key().as_small(), Some(7));
        assert_eq!((operations[0].argument_value(), operations[0].result_value()), (Value::Nil, Value::Int(3)));
        assert_eq!(operations[1].argument_value(), Value::List(Box::new([Value::Int(1), Value::Int(2)])));
        assert!(history.warnings()[0].contains("say --no-keyed"));
        let with = |keyed| ReadOptions { keyed: Some(keyed), ..ReadOptions::default() };
        let plain = read(keyed.as_bytes(), "h", None, &with(false)).expect("a history");
        assert!(plain.keys().iter().all(|key| key.is_absent()) && plain.warnings().is_empty());
        let asked = read(keyed.as_bytes(), "h", None, &with(true)).expect("a history");
        assert!(asked.keys() == history.keys() && asked.warnings().is_empty());
        for ambiguous in [
            "{:process 1 :type :invoke :f :cas :value [1 2]}",
            "{:process 1 :type :invoke :f :write :value [1 2]}",
            "{:process 1 :type :invoke :f :txn :value [[:r 0 nil] [:r 1 nil]]}",
        ] {
            assert!(accepted(ambiguous).keys()[0].is_absent(), "{ambiguous}");
        }
        let unkeyed = "{:process 1 :type :invoke :f :write :value 3}";
        let error = read(unkeyed.as_bytes(), "h", None, &with(true)).expect_err("no pair").to_string();
        assert!(error.starts_with("h:1:1: the value 3 is no [key value] pair"), "{error}");
    }

    #[test]
    fn completions_alone_are_operations_called_as_early_as_possible() {
        let history = accepted("{:process 0 :type :ok :f :w :value 1}\n{:process 1 :type :ok :f :w :value 2}\n");
        let operations: Vec<_> = history.operations().collect();
        assert!(operations[1].called() < operations[0].returned(), "nothing says which was first");
        assert!(history.warnings()[0].starts_with("2 operations complete without an invocation"));
    }

    #[test]
    fn json_operations_are_read_from_an_array_and_from_lines() {
        let one = r#"{"process":0,"type":"invoke","f":":read","value":null,"x":1.5}"#;
        let two = r#"{"type":"ok","f":"read","process":0,"value":{"0":100,"a":-1}}"#;
        let array = accepted(format!("[{one},\n{two}]"));
        let lines = format!("{one}\n{two}\n");
        let lines = read(lines.as_bytes(), "h", Some("jepsen-json"), &ReadOptions::default()).expect("a history");
        let result = Value::Map(Box::new([(Value::Int(0), Value::Int(100)), (Value::text("a"), Value::Int(-1))]));
        for history in [array, lines] {
            assert_eq!(history.operations().next().expect("one").result_value(), result);
        }
        let message = first_line(format!("[{one},\n {{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":1e3}}]"));
        assert!(message.starts_with("h:2:46: the number 1e3 is not a whole number"), "{message}");
    }

    #[test]
    fn a_jepsen_log_is_read_with_tabs_spaces_and_other_lines() {
        let history = accepted(
            "WARN  something else\nINFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n\
             INFO jepsen.util - 1 :invoke :read nil\nINFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n\
             INFO  jepsen.util - 1 :ok :read 4\nINFO  jepsen.util - :nemesis :info :start \"cut\"\n",
        );
        let operations: Vec<_> = history.operations().collect();
        assert_eq!((operations[0].outcome(), operations[0].error()), (Outcome::Indeterminate, "timed-out"));
        assert_eq!((operations[1].result_value(), operations[1].line()), (Value::Int(4), 3));
        assert_eq!((history.len(), history.faults().len()), (2, 1));
        assert_eq!(history.warnings(), ["1 lines of the log are no operations and were skipped"]);
        let message =
            first_line("INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0\t:okay\t:read\t1\n");
        assert!(message.starts_with("h:2:23: unknown type :okay"), "{message}");
    }

    #[test]
    fn a_key_value_log_keeps_keys_and_functions() {
        let history = accepted(
            "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x\"}\n\
             {:process 0, :type :ok, :f :append, :key \"0\", :value \"x\"}\n",
        );
        let operation = history.operations().next().expect("one");
        assert_eq!((operation.function(), operation.argument_value()), ("append", Value::text("x")));
        assert_eq!(operation.values().to_value(operation.key()), Value::text("0"));
    }
}

mod published_schema {
    use super::*;

    fn properties(of: &str) -> Vec<String> {
        let schema: serde_json::Value = serde_json::from_str(schema()).expect("the schema is JSON");
        let properties = schema["$defs"][of]["properties"].as_object().expect("properties").clone();
        properties.into_iter().map(|(name, _)| name).collect()
    }

    fn fields(line: &str) -> Vec<String> {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("an object");
        line.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_schema_names_exactly_the_fields_that_the_encoder_writes() {
        let words = || vec![("a".to_owned(), "b".to_owned())];
        let text = || Some("x".to_owned());
        let header = Header {
            tool: text(),
            run: text(),
            backend: text(),
            versions: words(),
            topology: words(),
            config: words(),
            workload: text(),
            model: text(),
            initial: Some(Value::Nil),
            claims: vec!["linearizable".to_owned()],
            seed: Some(1),
            clock: text(),
        };
        let mut out = Vec::new();
        let event = EventLine {
            index: 1,
            time: Nanos(1),
            actor: Actor::Client(ProcessId(1)),
            phase: Phase::Info,
            function: "f",
            key: Payload::Int(1),
            value: Payload::Nil,
            node: "n1",
            error: "timeout",
            retry: Some(Retry { attempt: 2, previous: ProcessId(1) }),
        };
        encode_event(&mut out, &event);
        let event = String::from_utf8(out).expect("text");
        for (what, line) in [("header", encode_header(&header)), ("event", event)] {
            let (mut written, mut named) = (fields(&line), properties(what));
            written.sort();
            named.sort();
            assert_eq!(written, named, "{what}");
        }
    }

    #[test]
    fn the_example_of_the_documentation_is_a_history_and_names_every_field() {
        let document = include_str!("../../docs/history-format.md");
        let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let history = accepted(example);
        assert_eq!((history.len(), history.faults().len()), (3, 1));
        assert!(history.warnings().is_empty());
        for name in properties("header").into_iter().chain(properties("event")) {
            assert!(document.contains(&format!("`{name}`")), "{name} is not explained");
        }
    }
}
