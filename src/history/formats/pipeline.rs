//! Work on pieces side by side, results taken in order.
//!
//! The calling thread produces the pieces and takes the results, and works on pieces itself whenever it would
//! otherwise wait. A bounded number of pieces is under way, so memory is bounded too. With one thread
//! nothing is spawned. A panic of a worker becomes a panic of the caller.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::mpsc;

/// How many pieces are under way for each thread: enough that no one waits for the slowest.
const PIECES_PER_THREAD: usize = 2;

struct Queue<P> {
    pieces: Mutex<Pieces<P>>,
    changed: Condvar,
}

struct Pieces<P> {
    waiting: VecDeque<(usize, P)>,
    closed: bool,
}

impl<P> Queue<P> {
    fn new() -> Self {
        Self { pieces: Mutex::new(Pieces { waiting: VecDeque::new(), closed: false }), changed: Condvar::new() }
    }

    fn push(&self, number: usize, piece: P) {
        self.pieces.lock().waiting.push_back((number, piece));
        self.changed.notify_one();
    }

    fn try_pop(&self) -> Option<(usize, P)> {
        self.pieces.lock().waiting.pop_front()
    }

    /// The next piece; waits for one until the queue is closed.
    fn pop(&self) -> Option<(usize, P)> {
        let mut pieces = self.pieces.lock();
        loop {
            if pieces.closed {
                return None;
            }
            if let Some(piece) = pieces.waiting.pop_front() {
                return Some(piece);
            }
            self.changed.wait(&mut pieces);
        }
    }

    fn close(&self) {
        self.pieces.lock().closed = true;
        self.changed.notify_all();
    }
}

/// Closes the queue when its thread ends in whatever way, so that nobody waits for a thread that is gone.
struct CloseOnDrop<'q, P>(&'q Queue<P>);

impl<P> Drop for CloseOnDrop<'_, P> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where pieces come from and results go to; used by the calling thread only.
pub(super) trait Ends {
    /// What is worked on.
    type Piece: Send;
    /// What comes of it.
    type Done: Send;
    /// What stops everything.
    type Error;

    /// The next piece, `None` after the last.
    fn next(&mut self) -> Result<Option<Self::Piece>, Self::Error>;

    /// Takes the next result, in the order of the pieces.
    fn take(&mut self, done: Self::Done) -> Result<(), Self::Error>;
}

/// Runs every piece of `ends` through `work` on `threads` threads, the calling one included.
///
/// # Errors
/// The first error of `ends`; results of earlier pieces have then been taken.
pub(super) fn run<E: Ends>(
    threads: usize,
    ends: &mut E,
    work: impl Fn(E::Piece) -> E::Done + Sync,
) -> Result<(), E::Error> {
    if threads <= 1 {
        while let Some(piece) = ends.next()? {
            ends.take(work(piece))?;
        }
        return Ok(());
    }
    let queue = Queue::new();
    let (sender, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        let _close = CloseOnDrop(&queue);
        for _ in 1..threads {
            let (sender, queue, work) = (sender.clone(), &queue, &work);
            scope.spawn(move || {
                let _close = CloseOnDrop(queue);
                while let Some((number, piece)) = queue.pop() {
                    if sender.send((number, work(piece))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        conduct(threads * PIECES_PER_THREAD, ends, &queue, &finished, &work)
    })
}

fn conduct<E: Ends>(
    under_way_max: usize,
    ends: &mut E,
    queue: &Queue<E::Piece>,
    finished: &mpsc::Receiver<(usize, E::Done)>,
    work: &(impl Fn(E::Piece) -> E::Done + Sync),
) -> Result<(), E::Error> {
    let mut taken = 0;
    let mut results: VecDeque<Option<E::Done>> = VecDeque::new();
    let mut input = InputState::More;
    loop {
        while results.len() < under_way_max && matches!(input, InputState::More) {
            match ends.next() {
                Ok(Some(piece)) => {
                    queue.push(taken + results.len(), piece);
                    results.push_back(None);
                }
                Ok(None) => input = InputState::Ended,
                // What came before the failing piece is still taken: its errors come first.
                Err(error) => input = InputState::Failed(error),
            }
        }
        if results.is_empty() {
            return match input {
                InputState::Failed(error) => Err(error),
                _ => Ok(()),
            };
        }
        while let Ok((number, done)) = finished.try_recv() {
            results[number - taken] = Some(done);
        }
        if let Some(done) = results.front_mut().and_then(Option::take) {
            results.pop_front();
            taken += 1;
            ends.take(done)?;
        } else {
            let (number, done) = match queue.try_pop() {
                Some((number, piece)) => (number, work(piece)),
                None => finished.recv().expect("a worker holds the piece that is missing, or has panicked"),
            };
            results[number - taken] = Some(done);
        }
    }
}

enum InputState<E> {
    More,
    Ended,
    Failed(E),
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers<D> {
        next: u32,
        fail_at: Option<u32>,
        taken: Vec<D>,
    }

    impl<D: Send> Ends for Numbers<D> {
        type Piece = u32;
        type Done = D;
        type Error = u32;

        fn next(&mut self) -> Result<Option<u32>, u32> {
            self.next += 1;
            match self.fail_at {
                Some(fail_at) if fail_at == self.next => Err(fail_at),
                _ => Ok((self.next <= 1000).then_some(self.next)),
            }
        }

        fn take(&mut self, done: D) -> Result<(), u32> {
            self.taken.push(done);
            Ok(())
        }
    }

    #[test]
    fn results_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let mut numbers = Numbers { next: 0, fail_at: None, taken: Vec::new() };
            run(threads, &mut numbers, |number| number * 2).expect("nothing fails");
            assert_eq!(numbers.taken, (1..=1000).map(|number| number * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn everything_before_a_failing_piece_is_taken_first() {
        for threads in [1, 3] {
            let mut numbers = Numbers { next: 0, fail_at: Some(40), taken: Vec::new() };
            assert_eq!(run(threads, &mut numbers, |number| number), Err(40));
            assert_eq!(numbers.taken.len(), 39);
        }
    }

    #[test]
    fn a_panic_on_any_thread_ends_the_run_instead_of_being_waited_for() {
        for threads in [1, 2, 4] {
            let run = std::panic::catch_unwind(|| {
                let mut numbers = Numbers { next: 0, fail_at: None, taken: Vec::new() };
                run(threads, &mut numbers, |number| assert_ne!(number, 500, "a bad piece"))
                    .map(|()| numbers.taken.len())
            });
            assert!(run.is_err(), "{threads} threads");
        }
    }
}
