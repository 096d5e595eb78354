//! Limits: calls a minute with one token, and streams at once for one token and of one workspace.
//!
//! Callers are told apart by their token; what is remembered is a keyed hash, no token stays in memory. A call without one
//! (`DoGet` needs a ticket only) is bounded by the streams of its workspace.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::error::{Error, Result};

/// Callers remembered at most; those with nothing used up are forgotten first.
const MOST_CALLERS: usize = 10_000;

/// Refuses calls of a caller that makes too many.
#[derive(Clone)]
pub struct Throttle {
    per_minute: u32,
    hasher: RandomState,
    callers: Arc<Mutex<HashMap<u64, Bucket>>>,
}

/// Calls that a caller may still make: a minute's worth at most, refilled evenly.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Throttle {
    /// So many calls a minute; 0 for any number.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, hasher: RandomState::new(), callers: Arc::default() }
    }

    fn admit(&self, caller: u64, now: Instant) -> Result<()> {
        let most = f64::from(self.per_minute);
        let refilled =
            |bucket: &Bucket| (bucket.left + now.duration_since(bucket.at).as_secs_f64() * most / 60.0).min(most);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MOST_CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, bucket| refilled(bucket) < most);
            if callers.len() >= MOST_CALLERS {
                return Err(Error::Busy(
                    "The server has too many callers at the moment. Try again in a minute.".into(),
                ));
            }
        }
        let bucket = callers.entry(caller).or_insert(Bucket { left: most, at: now });
        bucket.left = refilled(bucket);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Error::Busy(format!(
                "More than {} calls a minute with one token. Wait a little and try again.",
                self.per_minute
            )));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

impl Interceptor for Throttle {
    fn call(&mut self, request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if self.per_minute > 0
            && let Some(token) = request.metadata().get("authorization")
        {
            self.admit(self.hasher.hash_one(token.as_encoded_bytes()), Instant::now()).map_err(Status::from)?;
        }
        Ok(request)
    }
}

/// Streams that run, by workspace or by token.
#[derive(Clone)]
pub struct Shares {
    whose: &'static str,
    most: usize,
    hasher: RandomState,
    running: Arc<Mutex<HashMap<u64, usize>>>,
}

/// A place in somebody's share, given back when dropped.
pub struct Share {
    holder: u64,
    running: Arc<Mutex<HashMap<u64, usize>>>,
}

impl Shares {
    /// So many streams at once for each; `whose` says in errors for whom ("of this workspace").
    pub fn new(whose: &'static str, most: usize) -> Self {
        Self { whose, most, hasher: RandomState::new(), running: Arc::default() }
    }

    /// One more stream of this workspace, or token, of which a keyed hash alone is kept.
    pub fn take(&self, holder: &str) -> Result<Share> {
        let holder = self.hasher.hash_one(holder);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(holder).or_default();
        if *count >= self.most {
            return Err(Error::Busy(format!(
                "The server already sends {} streams {}. Try again when one has ended.",
                self.most, self.whose
            )));
        }
        *count += 1;
        Ok(Share { holder, running: Arc::clone(&self.running) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_minute_holds_so_many_calls_and_refills_evenly() {
        let throttle = Throttle::new(60);
        let start = Instant::now();
        for _ in 0..60 {
            throttle.admit(1, start).unwrap();
        }
        assert!(matches!(throttle.admit(1, start), Err(Error::Busy(_))));
        // Others are not held up.
        throttle.admit(2, start).unwrap();
        throttle.admit(1, start + Duration::from_millis(1100)).unwrap();
        assert!(throttle.admit(1, start + Duration::from_millis(1200)).is_err());
        for _ in 0..60 {
            throttle.admit(1, start + Duration::from_hours(1)).unwrap();
        }
        assert!(throttle.admit(1, start + Duration::from_hours(1)).is_err());
    }

    #[test]
    fn callers_that_use_nothing_up_are_forgotten() {
        let throttle = Throttle::new(60);
        let start = Instant::now();
        for caller in 0..MOST_CALLERS as u64 {
            throttle.admit(caller, start).unwrap();
        }
        assert!(throttle.admit(u64::MAX, start).is_err());
        throttle.admit(u64::MAX, start + Duration::from_secs(2)).unwrap();
        assert_eq!(throttle.callers.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_workspace_gets_its_share_back() {
        let shares = Shares::new("of this workspace", 2);
        let first = shares.take("a").unwrap();
        let _second = shares.take("a").unwrap();
        assert!(matches!(shares.take("a"), Err(Error::Busy(_))));
        let _other = shares.take("b").unwrap();
        drop(first);
        let _third = shares.take("a").unwrap();
    }
}
