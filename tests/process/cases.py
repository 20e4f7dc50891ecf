"""Every case that a supervisor has to get right, and the tests that show it

`test_process_cases.py` checks that each of these tests exists.
"""

CASES = {
    "start": {
        "missing binary": "test_missing_program_is_named_with_the_path_searched",
        "not executable": "test_file_without_execute_permission_comes_with_the_remedy",
        "directory": "test_folder_as_program_is_told",
        "no shebang": "test_script_without_first_line_is_told",
        "bad interpreter": (
            "test_bad_interpreter_is_named_and_not_confused_with_a_missing_program"
        ),
        "missing working folder": (
            "test_bad_working_folder_is_not_confused_with_a_missing_program"
        ),
        "argument list too long": "test_too_long_arguments_are_told_with_their_sizes",
        "environment too large": "test_too_large_environment_names_the_variable",
        "NUL in an argument": "test_what_can_never_be_right_is_refused_when_it_is_defined",
        "out of processes": "test_host_out_of_processes_gets_a_true_result_with_the_remedy",
        "out of processes for the guardian": (
            "test_start_is_refused_in_words_while_the_spawner_can_have_no_process"
        ),
        "out of descriptors": "test_however_few_descriptors_are_left_the_result_is_true",
        "guardian out of descriptors": (
            "test_guardian_that_cannot_hold_all_it_is_given_starts_nothing"
        ),
        "guardian cannot be started": (
            "test_interpreter_that_cannot_guard_is_a_result_and_no_exception"
        ),
        "folder of the host removed": (
            "test_command_of_a_host_whose_folder_was_removed_runs_there_all_the_same"
        ),
        "exits at once": "test_command_that_ends_at_once_is_a_success",
        "host blocks or ignores SIGTERM": (
            "test_host_that_blocks_or_ignores_sigterm_can_stop_its_command_politely"
        ),
        "host ignores SIGINT and all others": (
            "test_command_gets_no_blocked_and_no_ignored_signals_from_its_host"
        ),
        "host ignores SIGCHLD": "test_host_that_ignores_sigchld_gets_the_true_status",
        "our descriptors do not leak": (
            "test_child_gets_no_descriptor_of_ours_also_not_an_inheritable_one_or_a_held_one"
        ),
        "cancelled while it starts": (
            "test_start_that_is_cancelled_is_not_waited_for_and_comes_no_more"
        ),
        "start takes too long": (
            "test_start_that_takes_longer_than_the_command_may_take_is_given_up"
        ),
        "reads standard input": "test_standard_input_is_at_its_end_by_default",
        "parent of 2 GB": "test_start_from_a_process_of_two_gigabytes_copies_none_of_them",
    },
    "output": {
        "10 GB": "test_ten_gigabytes_cost_no_memory",
        "10 GB through a stage": "test_ten_gigabytes_through_a_stage_cost_the_run_no_memory",
        "one line of 1 GB": "test_line_of_a_gigabyte_costs_no_memory_and_is_told_in_pieces",
        "one long line": "test_endless_line_costs_no_memory_and_is_told_in_pieces",
        "25 M short lines": "test_25_million_short_lines_are_all_told_and_cost_no_memory",
        "invalid UTF-8, cut across reads": (
            "test_character_cut_by_two_reads_is_whole_and_broken_ones_are_counted"
        ),
        "NUL and escape bytes": "test_spool_holds_every_byte_and_the_tail_the_last",
        "progress with carriage returns": (
            "test_progress_drawn_with_carriage_returns_is_told_as_it_moves"
        ),
        "written in the last instant": (
            "test_what_is_written_in_the_last_instant_is_kept_every_time"
        ),
        "stdout closed early": "test_early_end_of_output_is_not_the_end_of_the_command",
        "grandchild writes on": "test_output_of_a_grandchild_that_stays_is_read_until_its_end",
        "daemon holds the pipe silently": "test_daemon_that_left_the_session_is_ended",
        "slow callback": "test_slow_callback_does_not_slow_the_child",
        "callback raises": "test_callback_that_raises_becomes_a_warning_and_hears_the_rest",
        "callback never returns": "test_callback_that_never_returns_keeps_nobody_waiting",
        "callback never returns, and a stop": (
            "test_callback_that_never_returns_keeps_no_stop_waiting"
        ),
        "no thread for the callback": (
            "test_host_that_can_have_no_thread_is_told_so_and_its_command_runs_on"
        ),
        "disk full while spooling": (
            "test_full_disk_drops_and_counts_and_does_not_fail_the_command"
        ),
        "log folder cannot be made": "test_spool_folder_that_cannot_be_made_drops_and_counts",
        "file deleted, rotated, folder removed": (
            "test_output_file_that_is_lost_meanwhile_is_a_warning_and_the_rest_is_kept"
        ),
        "two commands of one name": (
            "test_command_never_overwrites_the_files_of_another_one_of_its_name"
        ),
        "passed on byte for byte": "test_every_byte_is_passed_on_as_it_is",
        "passed on to a full disk": "test_write_that_fails_is_an_exit_code_and_a_sentence",
        "secrets split across reads": "test_secrets_are_nowhere_also_when_two_reads_cut_them",
    },
    "time": {
        "timeout": "test_timeout_ends_the_command_in_time",
        "hang": "test_hang_is_noticed_in_time",
        "silent but busy": "test_sign_of_life_of_any_kind_is_no_hang",
        "slow download": "test_bytes_over_the_network_are_life_and_their_end_is_a_hang",
        "peer sends, nobody reads": "test_bytes_that_nobody_reads_are_no_life",
        "sleeping lock, file lock, poll loop": ("test_waiting_for_what_never_comes_is_a_hang"),
        "exit against timeout": ("test_exit_racing_the_timeout_always_gives_a_consistent_result"),
        "exit against timeout, 2,000 times": "test_exit_racing_the_timeout_2000_times",
        "wall clock jumps": "test_nothing_is_decided_by_the_wall_clock",
        "done, then never exits": (
            "test_completion_without_exit_gets_linger_and_is_what_the_command_says"
        ),
        "done, then exits with 1": "test_exit_code_after_completion_counts",
        "pattern split across reads": "test_exit_code_after_completion_counts",
        "predicate raises": "test_predicate_that_raises_is_a_warning_and_no_completion",
    },
    "tree": {
        "ignores SIGTERM": "test_child_that_ignores_sigterm_is_killed_after_the_grace",
        "needs most of the grace": "test_child_that_needs_most_of_the_grace_gets_it",
        "exits at once on TERM": "test_child_that_ends_at_once_does_not_cost_the_grace",
        "sh -c 'a; b'": "test_all_of_a_shell_with_children_is_ended",
        "stopped": "test_stopped_child_hangs_and_can_be_ended_politely",
        "setsid double fork": "test_daemon_that_left_the_session_is_ended",
        "setsid double fork without environment": (
            "test_daemon_that_dropped_its_session_and_its_environment_is_ended"
        ),
        "new pid every millisecond": (
            "test_daemon_that_is_a_new_process_every_millisecond_is_caught"
        ),
        "1,000 children": "test_a_thousand_children_are_ended",
        "zombies": "test_zombies_of_the_command_are_no_survivors",
        "segfault, abort": "test_death_by_a_signal_is_named",
        "out of memory": (
            "test_command_that_takes_more_memory_than_its_limit_fails_and_not_its_host"
        ),
        "OOM kill is named": "test_sigkill_while_the_oom_killer_strikes_is_named",
        "cannot be killed": "test_process_that_may_not_be_killed_is_named_and_not_waited_for",
        "random trees": "test_random_trees_are_gone_and_told_truly",
        "random trees, 1,000": "test_a_thousand_random_trees_are_gone_and_told_truly",
        "nasty trees, 1,000 each": "test_nasty_tree_a_thousand_times",
    },
    "our own death": {
        "SIGKILL of the supervisor": (
            "test_supervisor_killed_at_any_moment_leaves_nothing_and_keeps_the_lock_until_then"
        ),
        "SIGKILL of the supervisor, 500 times": "test_supervisor_killed_at_500_moments",
        "SIGTERM, Ctrl-C once": "test_ctrl_c_once_is_polite",
        "Ctrl-C twice": "test_ctrl_c_twice_is_now",
        "guardian killed": "test_command_whose_guardian_is_killed_is_lost_and_ended",
        "guardian slow to answer": (
            "test_exit_code_0_that_a_slow_guardian_brought_about_is_no_success"
        ),
        "guardian stopped": ("test_guardian_that_somebody_stopped_ends_its_command_all_the_same"),
        "spawner stopped": (
            "test_spawner_that_somebody_stopped_starts_the_next_command_all_the_same"
        ),
        "guardian can open nothing": (
            "test_guardian_that_can_open_nothing_still_knows_who_lives_and_ends_it"
        ),
        "spawner killed": "test_killed_spawner_is_replaced_and_running_commands_go_on",
        "guardian and spawner killed": (
            "test_command_whose_guardian_and_spawner_are_killed_is_lost_and_ended"
        ),
        "all three killed": "test_what_outlived_even_its_guardian_is_swept_by_the_cookie",
        "host forked before it died": "test_a_child_that_the_host_forked_keeps_no_command_alive",
        "exception in the caller": "test_exception_out_of_a_signal_handler_leaves_no_process",
        "exception in the caller, anywhere": "test_exception_at_any_call_leaves_no_process",
        "exception in the caller, at the start": (
            "test_exception_just_after_the_start_ends_also_who_has_dropped_its_name"
        ),
        "swept while it becomes another program": (
            "test_sweep_waits_for_who_is_just_becoming_another_program"
        ),
        "second run while the first runs": (
            "test_a_second_run_exits_75_at_once_and_names_the_holder"
        ),
        "10,000 commands": "test_ten_thousand_commands_leave_nothing_behind",
        "never a wrong success": (
            "test_last_instant_is_kept_10_000_times_and_success_is_never_wrong"
        ),
    },
}
