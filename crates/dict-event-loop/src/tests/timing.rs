//! Wakes and timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::{Echo, Running, eventually};
use crate::*;

#[test]
fn no_wake_is_lost() {
    let running = Running::start();
    let told = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (waker, told) = (running.waker.clone(), told.clone());
            thread::spawn(move || {
                for _ in 0..10_000 {
                    told.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        })
        .collect();
    // Each of these waits for a wake of its own, among all the others.
    for _ in 0..1_000 {
        running.call(|_, _| ());
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let told_at_last = running.call(move |_, _| told.load(Ordering::Relaxed));
    assert_eq!(told_at_last, 40_000);
}

#[test]
fn a_wake_before_the_loop_runs_counts() {
    let mut event_loop = EventLoop::new().unwrap();
    for _ in 0..3 {
        event_loop.waker().wake();
    }
    let stopper = event_loop.run(StopWhenWoken).unwrap();
    let StopWhenWoken = stopper;
    // The loop is gone, and its wakers do no harm.
    let waker = event_loop.waker();
    drop(event_loop);
    waker.wake();
}

struct StopWhenWoken;

impl Application for StopWhenWoken {
    fn opened(&mut self, _: &mut Io<'_>, _: Token, _: Via, _: std::net::SocketAddr) {}
    fn received(&mut self, _: &mut Io<'_>, _: Token, _: &[u8]) {}
    fn output(&mut self, _: Token) -> &[u8] {
        &[]
    }
    fn written(&mut self, _: &mut Io<'_>, _: Token, _: usize) {}
    fn closed(&mut self, _: &mut Io<'_>, _: Token, _: Closed) {}
    fn woken(&mut self, io: &mut Io<'_>) {
        io.stop();
    }
}

#[test]
fn an_idle_loop_runs_its_timers_and_nothing_else() {
    let running = Running::start();
    let interval = Duration::from_millis(5);
    running.call(move |echo, io| echo.timer = Some((io.now().instant + interval, interval)));
    eventually("the timer has run", || running.call(|echo, _| echo.ticks) >= 5);
    running.call(|echo, _| echo.timer = None);
    running.assert_idle();
}

#[test]
fn a_turn_waits_no_longer_than_it_may() {
    let mut event_loop = EventLoop::new().unwrap();
    let (mut echo, _events) = Echo::alone();
    for wait in [0, 1, 10].map(Duration::from_millis) {
        assert!(event_loop.turn(&mut echo, Some(wait)).unwrap().is_continue());
    }
    assert_eq!(echo.turns, 3);
    event_loop.io().again();
    // Without an end to the wait: it would be for ever.
    assert!(event_loop.turn(&mut echo, None).unwrap().is_continue());
    event_loop.io().stop_now();
    assert!(event_loop.turn(&mut echo, None).unwrap().is_break());
}
