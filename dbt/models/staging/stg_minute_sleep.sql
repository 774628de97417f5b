{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('minute_sleep', 'slept_at', {
    'stage': 'stage',
    'log_id': 'log_id',
}) }}
