//! An attacker that is no part of a call and tries to forge its reply.

use std::{pin::pin, time::Duration};

use futures::FutureExt;
use monitor_runtime::{AliasToken, prelude::*, refs::Serial};

use super::{bare::BarePeer, eventually};

/// Number of slots, and of generations of each slot, that the attacker tries.
const SMALL: u32 = 64;

/// A frame with a message through the alias of that number; the token 0 means no token.
pub fn frame(node: &Node, serial: Serial, token: u64, body: &[u8]) -> Vec<u8> {
    const MESSAGE_TO_ALIAS: [u8; 2] = [1, 2];
    let mut frame = MESSAGE_TO_ALIAS.to_vec();
    frame.extend_from_slice(&node.id().incarnation.get().to_le_bytes());
    for mut number in [serial.slot(), serial.generation()] {
        while number >= 0x80 {
            frame.push(number as u8 | 0x80);
            number >>= 7;
        }
        frame.push(number as u8);
    }
    frame.extend_from_slice(&token.to_le_bytes());
    frame.extend_from_slice(body);
    frame
}

/// The victim calls the server. The attacker has a session with the victim, and sends to each small
/// number without a token, with tokens that it makes up, and with `seen`, a token of another alias
/// of the victim. No attempt has an effect.
pub async fn nobody_answers_a_call_by_guessing(
    victim: &Node,
    server: &mut Process,
    attacker: &BarePeer,
    seen: AliasToken,
) {
    let target = server.pid().clone();
    let call = victim.call(&target, "question").timeout(Duration::from_secs(100));
    let mut call = pin!(call.fuse());
    let request = futures::select! {
        reply = call => panic!("a reply before the request was received: {reply:?}"),
        request = server.recv().fuse() => request,
    };
    let Some(Event::Message(request)) = request else { panic!("no request: {request:?}") };
    let alias = request.reply_to.clone().unwrap();
    let right = alias.alias().unwrap().get();

    let small = (0..SMALL).flat_map(|slot| (0..SMALL).map(move |generation| Serial::new(slot, generation)));
    let guesses = small.chain([alias.serial()]).flat_map(|serial| {
        [0, 1, u64::MAX, seen.get(), right ^ 1, right.swap_bytes()].map(|token| (serial, token))
    });
    let mut sent = 0;
    for (serial, token) in guesses {
        attacker.push_when_ready(&frame(victim, serial, token, b"forged")).await;
        sent += 1;
    }
    eventually("every guess was dropped", || victim.stats().count("messages_for_no_alias") == Some(sent))
        .await;
    assert!(call.as_mut().now_or_never().is_none(), "the call waits for its answer still");
    assert_eq!((victim.stats().aliases, victim.stats().monitors), (1, 1), "its monitor stands");

    // The frame itself is valid: with the right token it is the reply, whichever node sends it.
    attacker.push_when_ready(&frame(victim, alias.serial(), right, b"answer")).await;
    assert_eq!(call.await.unwrap().body, "answer");
    assert_eq!(victim.stats().aliases, 0);
}
