"""What holds of the rows of jobs: see `Invariant`."""

from typing import Final

from ingest.storage.invariants import Invariant

JOB_INVARIANTS: Final = (
    Invariant(
        name="both job instances",
        thing="job instance",
        sql="""
            WITH expected (id, name) AS
                (VALUES (1, 'itemSynchronizationJob'), (2, 'itemMigrationJob'))
            SELECT id, name FROM expected WHERE NOT EXISTS
                (SELECT * FROM batch_job_instance WHERE job_instance_id = id AND job_name = name)
        """,
        wrong="is not that of {name}",
        remedy="the file was changed by hand: start the service, which puts back what is missing "
        "or says what is wrong",
    ),
    Invariant(
        name="one running execution an instance",
        thing="job instance",
        sql="""
            SELECT job_instance_id AS id, group_concat(job_execution_id, ' and ') AS executions
            FROM batch_job_execution WHERE status IN ('STARTING', 'STARTED', 'STOPPING')
            GROUP BY job_instance_id HAVING count(*) > 1
        """,
        wrong="has more than one running execution: {executions}",
        remedy="stop and start the service: it records as FAILED what nobody runs",
    ),
    Invariant(
        name="exit codes",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, status, exit_code FROM batch_job_execution
            WHERE exit_code <> CASE
                WHEN status IN ('STARTING', 'STARTED', 'STOPPING') THEN 'EXECUTING'
                WHEN status = 'ABANDONED' THEN 'STOPPED' ELSE status END
        """,
        wrong="is {status} with exit code {exit_code}",
    ),
    Invariant(
        name="end times",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, status,
                CASE WHEN end_time IS NULL THEN 'no' ELSE 'an' END AS word
            FROM batch_job_execution
            WHERE (end_time IS NULL) <> (status IN ('STARTING', 'STARTED', 'STOPPING'))
        """,
        wrong="is {status} and has {word} end time",
    ),
    Invariant(
        name="no right to write after the end",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, status, owner FROM batch_job_execution
            WHERE owner <> '' AND status NOT IN ('STARTING', 'STARTED', 'STOPPING')
        """,
        wrong="is {status} and may still be written for by {owner}",
    ),
    Invariant(
        name="ends in the history",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, status, (
                SELECT count(*) FROM batch_job_execution_event AS e
                WHERE e.job_execution_id = x.job_execution_id AND event IN ('ended', 'recovered')
            ) AS ends
            FROM batch_job_execution AS x
            WHERE ends <> (status NOT IN ('STARTING', 'STARTED', 'STOPPING'))
        """,
        wrong="is {status} and has {ends} ends in its history",
    ),
    Invariant(
        name="stops in the history",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, status FROM batch_job_execution AS x
            WHERE status IN ('STOPPING', 'STOPPED', 'ABANDONED') AND NOT EXISTS (
                SELECT * FROM batch_job_execution_event AS e
                WHERE e.job_execution_id = x.job_execution_id AND event = 'stop asked')
        """,
        wrong="is {status}, and its history names nobody who asked for that",
    ),
    Invariant(
        name="histories in order",
        thing="execution",
        sql="""
            SELECT x.job_execution_id AS id,
                group_concat(event, ', ') FILTER (WHERE event IS NOT NULL) AS events
            FROM batch_job_execution AS x LEFT JOIN (
                SELECT * FROM batch_job_execution_event ORDER BY event_id
            ) AS e ON e.job_execution_id = x.job_execution_id
            GROUP BY x.job_execution_id
            HAVING total(event = 'requested') <> 1
                OR total(event = 'started') <> (x.start_time IS NOT NULL)
                OR min(event_id) <> min(event_id) FILTER (WHERE event = 'requested')
                OR max(event_id) > min(event_id) FILTER (WHERE event IN ('ended', 'recovered'))
        """,
        wrong="has a history in no possible order: {events}",
    ),
    Invariant(
        name="execution times",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, create_time, start_time, end_time, last_updated
            FROM batch_job_execution
            WHERE start_time < create_time OR end_time < coalesce(start_time, create_time)
                OR last_updated < create_time OR last_updated < end_time
        """,
        wrong="has times out of order: made {create_time}, started {start_time}, "
        "ended {end_time}, last updated {last_updated}",
    ),
    Invariant(
        name="steps and progress",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, start_time, (
                SELECT count(*) FROM batch_step_execution AS s
                WHERE s.job_execution_id = x.job_execution_id
            ) AS steps, (
                SELECT count(*) FROM batch_job_execution_progress AS p
                WHERE p.job_execution_id = x.job_execution_id
            ) AS progresses
            FROM batch_job_execution AS x
            WHERE steps <> (start_time IS NOT NULL) OR progresses <> (start_time IS NOT NULL)
        """,
        wrong="started at {start_time}, has {steps} step rows and {progresses} progress rows",
    ),
    Invariant(
        name="steps end with their execution",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, s.status AS step, x.status AS status
            FROM batch_step_execution AS s JOIN batch_job_execution AS x USING (job_execution_id)
            WHERE CASE WHEN x.status IN ('STARTING', 'STARTED', 'STOPPING')
                THEN s.status <> 'STARTED' OR s.exit_code <> 'EXECUTING' OR s.end_time IS NOT NULL
                ELSE s.status <> replace(x.status, 'ABANDONED', 'STOPPED')
                    OR s.exit_code <> x.exit_code OR s.end_time IS NOT x.end_time
                    OR s.end_time < s.start_time END
        """,
        wrong="is {status}, and its step is {step} or has another exit code or end",
    ),
    Invariant(
        name="step counters",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, p.created + p.updated + p.deleted AS written,
                p.unchanged, p.failed, p.read, total(write_count) AS write_count,
                total(filter_count) AS filter_count, total(read_count) AS read_count,
                total(process_skip_count) AS process_skip_count
            FROM batch_job_execution_progress AS p
            JOIN batch_step_execution USING (job_execution_id)
            GROUP BY job_execution_id
            HAVING write_count <> written OR filter_count <> p.unchanged
                OR process_skip_count <> p.failed OR read_count <> p.read
        """,
        wrong="counts {written} written, {unchanged} unchanged, {failed} failed, {read} read, "
        "and its step {write_count:.0f}, {filter_count:.0f}, {process_skip_count:.0f}, "
        "{read_count:.0f}",
    ),
    Invariant(
        name="progress within the total",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id, processed, total
            FROM batch_job_execution_progress JOIN batch_job_execution USING (job_execution_id)
            JOIN batch_job_instance USING (job_instance_id)
            WHERE job_name = 'itemSynchronizationJob' AND processed > total
        """,
        wrong="has processed {processed} items of {total}",
    ),
    Invariant(
        name="checkpoints",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id FROM batch_job_execution_context
            WHERE NOT json_valid(checkpoint)
        """,
        wrong="has a checkpoint that is no JSON",
        remedy="nothing: the job begins anew by itself",
    ),
    Invariant(
        name="resumed is only what was cut short",
        thing="execution",
        sql="""
            SELECT x.job_execution_id AS id, coalesce(b.status, 'nothing') AS status
            FROM batch_job_execution AS x LEFT JOIN batch_job_execution AS b
            ON b.job_execution_id = (
                SELECT max(l.job_execution_id) FROM batch_job_execution AS l
                WHERE l.job_instance_id = x.job_instance_id
                AND l.job_execution_id < x.job_execution_id)
            WHERE coalesce(b.status, '') NOT IN ('STOPPED', 'FAILED') AND EXISTS (
                SELECT * FROM batch_job_execution_event AS e
                WHERE e.job_execution_id = x.job_execution_id AND event = 'checkpoint resumed')
        """,
        wrong="has resumed, and what ran before it was {status}",
    ),
    Invariant(
        name="listings",
        thing="listing",
        sql="""
            SELECT bank_scan_id AS id, job_execution_id AS execution FROM bank_scan
            WHERE seen < 0 OR (finished IS NULL AND (complete OR seen > 0))
        """,
        wrong="(of execution {execution}) is complete or counted, and never finished",
    ),
    Invariant(
        name="completed synchronizations have listed all",
        thing="execution",
        sql="""
            SELECT job_execution_id AS id FROM batch_job_execution AS x
            JOIN batch_job_instance USING (job_instance_id)
            WHERE job_name = 'itemSynchronizationJob' AND status = 'COMPLETED' AND NOT EXISTS (
                SELECT * FROM bank_scan AS b
                WHERE b.job_execution_id = x.job_execution_id AND complete)
            AND NOT EXISTS (
                SELECT * FROM batch_job_execution_params AS p
                WHERE p.job_execution_id = x.job_execution_id AND parameter_name = 'dry-run')
        """,
        wrong="is a COMPLETED synchronization without a complete listing of the bank",
    ),
)
