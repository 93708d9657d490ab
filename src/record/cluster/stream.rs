//! One connection through a proxy: two ways, each read ahead a little and written as the rules allow.

use super::links::{Effect, End, Rule, Rules, applying};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, watch};

/// The most bytes of one piece.
const PIECE: usize = 16 << 10;
/// How many pieces are read ahead.
const AHEAD: usize = 64;
/// How long connecting to a server may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where a connection leads, and the rules.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) id: u64,
    pub(super) rules: watch::Receiver<Rules>,
}

impl Link {
    fn back(&self) -> Self {
        Self { from: self.to, to: self.from, id: !self.id, rules: self.rules.clone() }
    }

    fn applying(&mut self) -> Vec<Arc<Rule>> {
        let rules = Arc::clone(&self.rules.borrow_and_update());
        if rules.is_empty() { Vec::new() } else { applying(&rules, self.from, self.to) }
    }
}

/// What was read.
enum What {
    Bytes(Vec<u8>),
    /// No more will come.
    End,
    /// The connection broke.
    Broken,
}

/// With when it came, and how long it is to be held.
struct Piece {
    what: What,
    came: Instant,
    hold: Duration,
}

/// One of the two connections broke, so the other is to break too.
struct Broken;

/// Carries a connection to the server at `own`, until it ends or is reset.
pub(super) async fn carry(mut outer: TcpStream, own: SocketAddr, mut link: Link, reset: &Notify) {
    let inner = tokio::select! {
        inner = connect(own, &mut link) => inner,
        () = reset.notified() => Err(Broken),
    };
    let Ok(mut inner) = inner else { return abort(&outer) };
    // Small requests are not to wait for each other; refused only by a connection that has ended.
    let _ = (outer.set_nodelay(true), inner.set_nodelay(true));
    let carried = {
        let ((outer_from, outer_to), (inner_from, inner_to)) = (outer.split(), inner.split());
        let (there, back) = (way(outer_from, inner_to, link.clone()), way(inner_from, outer_to, link.back()));
        tokio::select! {
            carried = async { tokio::try_join!(there, back) } => carried,
            () = reset.notified() => Err(Broken),
        }
    };
    if carried.is_err() {
        abort(&outer);
        abort(&inner);
    }
}

/// Makes the end of a connection a reset instead of an orderly end; refused only if it has ended already.
fn abort(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Connects to the server, once it can be reached both ways.
async fn connect(own: SocketAddr, link: &mut Link) -> Result<TcpStream, Broken> {
    let mut back = link.back();
    for way in [&mut *link, &mut back] {
        pass(&Piece { what: What::End, came: Instant::now(), hold: Duration::ZERO }, way).await;
    }
    let connected = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(own)).await;
    connected.ok().and_then(Result::ok).ok_or(Broken)
}

async fn way(from: ReadHalf<'_>, to: WriteHalf<'_>, link: Link) -> Result<(), Broken> {
    let (ahead, pieces) = mpsc::channel(AHEAD);
    tokio::try_join!(read(from, ahead, link.clone()), write(to, pieces, link)).map(drop)
}

async fn read(mut from: ReadHalf<'_>, ahead: mpsc::Sender<Piece>, mut link: Link) -> Result<(), Broken> {
    let mut random = SmallRng::seed_from_u64(link.id);
    let mut buffer = vec![0; PIECE];
    loop {
        let what = match from.read(&mut buffer).await {
            Ok(0) => What::End,
            Ok(length) => What::Bytes(buffer[..length].to_vec()),
            Err(_) => What::Broken,
        };
        let draw = |rule: Arc<Rule>| match &rule.effect {
            Effect::Hold(hold) => hold.draw(&mut random),
            Effect::Cut | Effect::Limit { .. } => Duration::ZERO,
        };
        let hold = link.applying().into_iter().map(draw).sum();
        let is_last = !matches!(what, What::Bytes(_));
        let sent = ahead.send(Piece { what, came: Instant::now(), hold }).await;
        if is_last || sent.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut to: WriteHalf<'_>, mut pieces: mpsc::Receiver<Piece>, mut link: Link) -> Result<(), Broken> {
    while let Some(piece) = pieces.recv().await {
        pass(&piece, &mut link).await;
        match piece.what {
            What::Bytes(bytes) => to.write_all(&bytes).await.map_err(|_| Broken)?,
            What::End => return to.shutdown().await.map_err(|_| Broken),
            What::Broken => return Err(Broken),
        }
    }
    Ok(())
}

/// Waits until a piece may go on.
async fn pass(piece: &Piece, link: &mut Link) {
    let mut is_counted = false;
    loop {
        let rules = link.applying();
        if let Some(cut) = rules.iter().find(|rule| matches!(rule.effect, Effect::Cut)) {
            if !is_counted {
                cut.count(Duration::ZERO);
                is_counted = true;
            }
            if link.rules.changed().await.is_err() {
                return;
            }
            continue;
        }
        let holding: Vec<_> = rules.iter().filter(|rule| matches!(rule.effect, Effect::Hold(_))).collect();
        let due = piece.came + piece.hold;
        if !holding.is_empty() && Instant::now() < due {
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => holding.iter().for_each(|rule| rule.count(piece.came.elapsed())),
                _ = link.rules.changed() => continue,
            }
        }
        return limit(piece, &rules).await;
    }
}

async fn limit(piece: &Piece, rules: &[Arc<Rule>]) {
    let What::Bytes(bytes) = &piece.what else { return };
    for rule in rules {
        let Effect::Limit { rate } = rule.effect else { continue };
        let (now, due) = (Instant::now(), rule.reserve(bytes.len(), rate));
        if due > now {
            tokio::time::sleep_until(due.into()).await;
            rule.count(now.elapsed());
        }
    }
}
