//! Following the chain.

use std::time::Duration;

use axum::{body::Body, http::Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use striatum_core::{chain::Position, run::Verdict, store::MemoryStore};
use striatum_testkit::clock::ManualClock;

use super::bench::{Bench, Failed, chain, request, reviewed};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    id: String,
    name: String,
    data: Value,
}

/// A reader of server-sent events.
struct Reader {
    body: Body,
    rest: String,
}

impl Reader {
    async fn open(bench: &Bench, token: &str, path: &str, last: Option<&str>) -> Result<Self, Failed> {
        let mut request = request(Method::GET, path, Some(token), None)?;
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse()?);
        }
        let response = bench.send(request).await?;
        if response.status().as_u16() != 200 {
            let bytes = response.into_body().collect().await?.to_bytes();
            return Err(String::from_utf8_lossy(&bytes).into());
        }
        Ok(Self { body: response.into_body(), rest: String::new() })
    }

    /// The next event that says something; nothing at the end of the stream.
    async fn next(&mut self) -> Result<Option<Told>, Failed> {
        loop {
            while let Some((block, rest)) = self.rest.split_once("\n\n") {
                let told = parse(block)?;
                self.rest = rest.to_owned();
                if told.data != Value::Null {
                    return Ok(Some(told));
                }
            }
            match tokio::time::timeout(PATIENCE, self.body.frame()).await? {
                Some(frame) => {
                    let data = frame?.into_data().map_err(|_| "a frame of data")?;
                    self.rest += std::str::from_utf8(&data)?;
                }
                None => return Ok(None),
            }
        }
    }

    async fn take(&mut self, count: usize) -> Result<Vec<Told>, Failed> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await?.ok_or("the stream goes on")?);
        }
        Ok(taken)
    }
}

fn parse(block: &str) -> Result<Told, Failed> {
    let mut told = Told::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => told.id = id.to_owned(),
            Some(("event", name)) => told.name = name.to_owned(),
            Some(("data", data)) => told.data = serde_json::from_str(data)?,
            _ => {}
        }
    }
    Ok(told)
}

fn seqs(told: &[Told]) -> Vec<u64> {
    told.iter().filter_map(|told| told.data["seq"].as_u64()).collect()
}

#[tokio::test]
async fn a_reader_gets_every_event_in_order_and_goes_on_where_it_was() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let mut reader = Reader::open(&bench, &ada, "/v1/events", None).await?;
    let first = reader.take(3).await?;
    assert_eq!(seqs(&first), [1, 2, 3]);
    drop(reader);
    bench.work(&run, Verdict::Accept).await?;
    let head = bench.engine.store().head(&chain()).await?;

    let mut again = Reader::open(&bench, &ada, "/v1/events", Some(&first[2].id)).await?;
    let rest = again.take(usize::try_from(head.seq)? - 3).await?;
    assert_eq!(seqs(&rest), (4..=head.seq).collect::<Vec<_>>());
    assert_eq!(rest.last().map(|told| told.id.clone()), Some(head.to_string()));

    // What happens now comes without asking again.
    bench.post(&ada, "/v1/runs", super::bench::inline(reviewed())).await?;
    assert_eq!(again.take(1).await?[0].data["body"]["kind"], "run.prepared");
    Ok(())
}

#[tokio::test]
async fn readers_at_different_places_all_get_everything() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let told = Reader::open(&bench, &ada, "/v1/events", None).await?.take(4).await?;
    let mut readers = Vec::new();
    for (after, last) in [(0, None), (2, Some(told[1].id.as_str())), (4, Some(told[3].id.as_str()))] {
        for _ in 0..3 {
            readers.push((after, Reader::open(&bench, &ada, "/v1/events", last).await?));
        }
    }
    bench.work(&run, Verdict::Accept).await?;
    // One that left comes back among those that stayed.
    readers.push((4, Reader::open(&bench, &ada, "/v1/events", Some(&told[3].id)).await?));
    for _ in 0..5 {
        bench.started(&ada, reviewed()).await?;
    }
    let head = bench.engine.store().head(&chain()).await?;
    for (after, reader) in &mut readers {
        let all = reader.take(usize::try_from(head.seq - *after)?).await?;
        assert_eq!(seqs(&all), (*after + 1..=head.seq).collect::<Vec<_>>());
        assert_eq!(all.last().map(|told| told.id.clone()), Some(head.to_string()));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_streamed_is_to_the_byte_what_was_hashed() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    bench.started(&ada, reviewed()).await?;
    let request = request(Method::GET, "/v1/events", Some(&ada), None)?;
    let mut body = bench.send(request).await?.into_body();
    let frame = tokio::time::timeout(PATIENCE, body.frame()).await?.ok_or("an event")??;
    let text = String::from_utf8(frame.into_data().map_err(|_| "data")?.to_vec())?;
    let stored = bench.engine.store().read(&chain(), Position::genesis(&chain()), 1).await?;
    let stored = std::str::from_utf8(&stored[0].body)?;
    assert!(text.contains(&format!("\"body\":{stored}}}")), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_reader_of_one_run_sees_no_other_and_its_cursor_still_moves() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let first = bench.started(&ada, reviewed()).await?;
    let second = bench.started(&ada, reviewed()).await?;
    let mut reader = Reader::open(&bench, &ada, &format!("/v1/events?run={second}"), None).await?;
    let told = reader.take(4).await?;
    assert!(told.iter().all(|told| told.data["body"]["run"] == json!(second)), "{told:?}");
    assert_eq!(seqs(&told), [5, 6, 7, 8], "{first}");
    let mut new = Reader::open(&bench, &ada, "/v1/events?after=head", None).await?;
    bench.post(&ada, &format!("/v1/runs/{first}/pause"), json!({})).await?;
    assert_eq!(seqs(&new.take(1).await?), [9]);
    Ok(())
}

#[tokio::test]
async fn a_reader_whose_history_was_exchanged_is_told() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    bench.started(&ada, reviewed()).await?;
    let mut reader = Reader::open(&bench, &ada, "/v1/events", None).await?;
    let told = reader.take(3).await?;

    let clock = ManualClock::default();
    let other =
        Bench::over(std::sync::Arc::new(MemoryStore::new(std::sync::Arc::new(clock.clone()))), clock).await?;
    other.started(&ada, reviewed()).await?;
    let refused =
        Reader::open(&other, &ada, "/v1/events", Some(&told[2].id)).await.err().ok_or("it is refused")?;
    assert!(refused.to_string().contains("history_changed"), "{refused}");
    let (status, _) = other.get(&ada, &format!("/v1/events?after={}", told[2].id)).await?;
    assert_eq!(status, 409);
    assert_eq!(other.get(&ada, "/v1/events?after=3").await?.0, 400, "a number alone is no cursor");
    Ok(())
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_server() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let run = bench.started(&ada, reviewed()).await?;
    let mut reader = Reader::open(&bench, &ada, "/v1/events", None).await?;
    reader.take(4).await?;
    let other = bench.ada()?;
    bench.clock.advance(Duration::from_secs(3599));
    let fresh = bench.ada()?;
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.get(&other, "/v1/runs").await?.1["error"]["code"], "token_expired");
    bench.post(&fresh, &format!("/v1/runs/{run}/pause"), json!({})).await?;
    assert_eq!(reader.next().await?, None);

    let mut reader = Reader::open(&bench, &fresh, "/v1/events", None).await?;
    reader.take(5).await?;
    drop(bench.operators);
    assert_eq!(reader.next().await?, None);
    Ok(())
}

#[tokio::test]
async fn so_many_readers_and_no_more() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let ada = bench.ada()?;
    let mut readers = Vec::new();
    for _ in 0..256 {
        readers.push(Reader::open(&bench, &ada, "/v1/events", None).await?);
    }
    let (status, refused) = bench.get(&ada, "/v1/events").await?;
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("too_many_readers")));
    Ok(())
}
