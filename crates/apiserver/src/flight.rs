//! How many requests are served at once, as in Kubernetes without priorities: those that read and those that change are counted apart,
//! and what lasts (watches, streams) is not counted. Whoever finds no place is told to come again. It knows no request.
use crate::limits::{CHANGES_IN_FLIGHT_MAX, READS_IN_FLIGHT_MAX};
use api::status::Status;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for requests.
#[derive(Default)]
pub struct Flight {
    reads: AtomicUsize,
    changes: AtomicUsize,
}

/// A request's place, until it is dropped.
pub struct Place {
    flight: Arc<Flight>,
    mutating: bool,
}

impl Flight {
    fn counter(&self, mutating: bool) -> (&AtomicUsize, usize) {
        if mutating { (&self.changes, CHANGES_IN_FLIGHT_MAX) } else { (&self.reads, READS_IN_FLIGHT_MAX) }
    }

    /// A place. Who is `exempt` always gets one: an operator must not be locked out by a crowd.
    ///
    /// # Errors
    /// 429 if there is none.
    pub fn enter(self: &Arc<Self>, mutating: bool, exempt: bool) -> Result<Place, Status> {
        let (counter, most) = self.counter(mutating);
        if counter.fetch_add(1, Ordering::Relaxed) >= most && !exempt {
            counter.fetch_sub(1, Ordering::Relaxed);
            let mut status = Status::new(429, "TooManyRequests", "Too many requests, please try again later.");
            status.retry_after_seconds = 1;
            return Err(status);
        }
        Ok(Place { flight: self.clone(), mutating })
    }

    /// How many read and how many change at this moment.
    #[must_use]
    pub fn now(&self) -> (usize, usize) {
        (self.reads.load(Ordering::Relaxed), self.changes.load(Ordering::Relaxed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.flight.counter(self.mutating).0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_waits_and_an_operator_does_not() {
        let flight = Arc::new(Flight::default());
        let crowd: Vec<Place> =
            (0..CHANGES_IN_FLIGHT_MAX).map(|_| flight.enter(true, false).expect("there is a place")).collect();
        let refused = flight.enter(true, false).err().expect("there is none");
        assert_eq!((refused.code, refused.retry_after_seconds), (429, 1));
        let (reader, operator) = (flight.enter(false, false), flight.enter(true, true));
        assert!(reader.is_ok() && operator.is_ok());
        assert_eq!(flight.now(), (1, CHANGES_IN_FLIGHT_MAX + 1));
        drop((crowd, reader, operator));
        assert_eq!(flight.now(), (0, 0));
    }
}
