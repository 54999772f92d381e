//! Every reason, boolean and count that a caller gets, on each path that produces it, and the test
//! that holds it.
//!
//! | path | what is told | test |
//! |---|---|---|
//! | `spawn`, body returns, fails, panics | `Exit`: `Normal`, the error, the text | `processes.rs`: `a_process_that_is_done_exits_normally`, `an_error_is_a_reason`, `a_panic_is_a_reason_wherever_it_happens` |
//! | `spawn`, payload or destructor panics | `Panicked`; `Killed` if it was killed before | `ends`: `a_payload_that_panics_when_it_is_dropped_is_a_panic` |
//! | `spawn`, error whose text panics | `Panicked` | `ends`: `an_error_that_cannot_be_written_is_a_panic` |
//! | `spawn`, task dropped by its executor | `Killed`; the executor does not see a panic | `ends`: `a_process_that_its_executor_drops_was_killed` |
//! | `Process::run`, body returns, fails, panics | as of `spawn`; the caller gets the result or the panic | `ends`: `a_guards_body_ends_as_it_does` |
//! | `Process::run`, future dropped, polled or not | `Killed`, after what the body holds was dropped | `ends`: `a_body_that_is_dropped_before_its_first_poll_was_killed`, `what_a_body_holds_is_gone_before_its_exit_polled_or_not` |
//! | guard dropped; `exit`; `set_exit_reason` | `Normal`, or the given reason | `processes.rs`: `a_guard_exits_when_it_is_dropped` |
//! | guard dropped while its thread unwinds | `Panicked`, unless `exit` was called | `ends`: `a_guard_that_is_dropped_while_its_thread_unwinds_has_panicked_unless_it_says_otherwise` |
//! | `Process::exit` of a guard, and of a body of `spawn` or `run` | its reason, at once or at the next await; `Killed` if it was killed before | `exits` |
//! | guard held by another process | its own end, not that of its holder | `ends`: `a_guard_within_another_process_ends_by_itself` |
//! | `Node::kill` | true if and only if the exit is `Killed` by this call | `ends`: `a_kill_and_an_end_at_once_agree`, `a_kill_counts_until_the_exit_and_not_after`, `whoever_was_killed_was_killed_whatever_it_says`; `process.rs`: `a_kill_while_the_exit_waits_for_a_send_says_that_it_comes_too_late` |
//! | calls of a `Process` after its process has exited | `NotAlive`, and no effect | `after_the_end`: `p36_every_call_of_a_dead_process_is_refused`, `p36_a_reply_of_a_dead_process_is_refused` |
//! | a send while the process exits, from any thread | `Ok` and before the `Down`, or `NotAlive` with the body | `after_the_end`: `r29_of_threads_that_share_a_mailbox_nothing_comes_after_the_down` and `.._on_any_channel`; `loom.rs`: `nothing_of_a_process_comes_after_its_down` |
//! | `call` that waits while its process exits, or is first polled then | `NotAlive` | `after_the_end`: `p37_a_call_that_waits_when_its_process_exits_is_over`; `calls`: `p37_a_call_that_is_first_polled_after_its_process_has_ended_is_refused` |
//! | `call` otherwise | the reply, the `Down`, or the timeout; nothing if it is not polled | `calls` |
//! | a send that is refused | the reason, and the body | `sends` |
//! | `Addr` | as the process or the node that made it | `addresses` |
//! | `Event::decode` | the value, or `Malformed` with the message | `addresses`: `a_message_of_another_type_is_malformed_and_other_events_stay_the_same` |
//! | a `Process` as a stream | each event of `recv`, then the end | `streams` |
//! | a text where a name is expected | what it names, or an error with the place of the fault | `texts` |
//! | texts of pids and references | one form in `Display`, `Debug` and JSON | `texts`: `a_pid_and_a_reference_have_one_text_each` |
//! | `NodeUp`, `NodeInfo`, `NodeDown` | the name of the node | `texts`: `a_node_that_is_up_has_its_name` |
//! | `recv` and `monitors` after the exit | messages; no `Down` but those taken along, no monitor | `after_the_end`: `downs_that_wait_end_with_their_watcher_but_for_those_it_has_taken_along` |
//! | `register`, `unregister`, `whereis`, `is_process_alive` around an exit | of the living alone; the name is free before the `Down` | `after_the_end`: `a_name_is_given_to_the_living_only_and_free_before_the_down` |
//! | `try_send` and `send` on a session that is over | `Ok`: the message goes to the next session | `closing`: `r30_a_message_sent_at_once_after_the_link_has_ended_goes_to_the_next_session`, `.._on_channels_..`, `.._over_tcp_..` |
//! | `monitor` on a session that is over | the fate of the target, by the next session; with `Connect::Never` `NoConnection(NotConnected)` | `closing`: `r30_a_monitor_made_at_once_after_the_link_has_ended_connects` |
//! | `call` on a session that is over | the reply, by the next session | `closing`: `r30_a_call_made_at_once_after_the_link_has_ended_is_answered` |
//! | a message that waits for a node that is gone | `messages_undeliverable` counts it | `closing`: `a_message_for_a_node_that_is_gone_is_counted_and_kept_no_longer` |
//! | `Monitor`, `MonitorSet`, `Process` over a `stop` | `NoConnection(LocalShutdown)` once for each monitor that has not fired, then the end | `stopped`: `m11_after_a_stop_monitors_on_guards_have_ended` |
//! | `call` over a `stop` | `Down` with `NoConnection(LocalShutdown)` | `stopped`: `m11_a_call_that_waits_over_a_stop_is_answered` |
//! | spawned processes over a `stop` | `Exit(Shutdown)` | `stop.rs`: `its_processes_are_shut_down`, `a_process_may_stop_its_node` |
//! | `stats` and `inspect` after a `stop`, whatever is dropped | nothing but `Down`s that were not received | `stopped`: `m12_whatever_is_dropped_around_a_stop_every_down_comes_and_no_row_stays`, `m12_a_stop_from_a_task_of_the_nodes_executor_leaves_nothing`, `m12_a_node_whose_executor_is_gone_is_stopped_all_the_same`, `downs_that_nobody_receives_before_the_stop_stay_readable_and_then_nothing_is_left` |
//! | calls on a node that was stopped | `NotAlive` | `stop.rs`: `m05_a_stopped_node_begins_nothing` |
//! | `stats().fired`, `Process::monitors`, `MonitorSet::len` | a `Down` counts until it is received; in `inspect` until it is taken along | `numbers`: `a_down_counts_until_it_is_received` |
//! | `Process::demonitor`, `demonitor_flush` | `Active`; `Fired` until its `Down` is received or flushed; else `Unknown` | `numbers`: `d27_a_demonitor_says_what_became_of_the_monitor` |
//! | `MonitorSet::demonitor`, `Monitor::demonitor` | `Active`, `Fired` or `Unknown`, as before | `numbers`: `what_a_set_removes_and_a_monitor_ends_is_told` |
//! | `history` | each `Down` that a monitor gave, received or not, newest first | `history.rs` |
//!
//! Not told, on purpose: whether the receiver of a message still lives, and whether the caller
//! still waits for a reply.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod after_the_end;
mod calls;
mod closing;
mod ends;
mod exits;
mod numbers;
mod sends;
mod stopped;
mod streams;
mod texts;
