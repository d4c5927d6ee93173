//! One suite for every engine.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod bench;
mod cases;

macro_rules! suite {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let place = crate::bench::place::Place::sqlite().await.unwrap();
                crate::cases::$case(&place).await;
            })*
        }
        /// SQLite with its pages in the clear, for `at_rest = "volume"`.
        mod volume {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let place = crate::bench::place::Place::volume().await.unwrap();
                crate::cases::$case(&place).await;
            })*
        }
        /// Where `VOUCHSAFE_TEST_PG_OWNER` and `VOUCHSAFE_TEST_PG_URL` say so: `eval "$(.ci/postgres.sh start)"`.
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                match crate::bench::place::Place::postgres().await {
                    Some(place) => crate::cases::$case(&place).await,
                    None => eprintln!("skipped: no PostgreSQL"),
                }
            })*
        }
    };
}

suite! {
    tenants_see_only_their_own
    an_unknown_tenant_is_not_found
    a_batch_happens_whole_or_not_at_all
    an_unmet_expectation_answers_with_its_failure
    returning_keeps_rows
    constraints_name_columns_only
    references_are_kept
    a_refused_neighbour_spoils_nothing
    the_chain_is_whole_under_concurrency
    a_clock_that_steps_back_does_not_turn_the_log_around
    counters_add_up_under_concurrency
    leaf_values_and_outbox_come_with_the_batch
    rows_of_a_permit_limit_reads_and_changes
    a_statement_on_a_collection_must_say_rows
    values_cannot_inject
    a_nul_character_is_refused
    the_house_and_a_tenant_follow_each_other
    a_following_change_creates_the_tenant
    changes_follow_in_the_order_of_the_house
    a_following_change_that_cannot_be_is_reported
    revocations_are_heard_before_the_answer
    an_idempotency_key_is_taken_once
    a_kept_reply_is_found_again_for_a_day
    staged_rows_leave_no_leaf
    a_stream_gives_every_row
    a_dropped_stream_ends
    everything_survives_a_restart
    tables_grow_with_the_app
    a_changed_type_is_refused
    a_tenant_that_was_never_used_is_empty
    objects_are_stored_under_the_tenant
    objects_lie_sealed
    a_part_of_an_object_is_read_alone
    a_changed_object_is_refused
    wrapping_anew_rewrites_heads_only
    outbox_listeners_hear_of_commits
    a_client_that_goes_away_cancels_nothing
}
