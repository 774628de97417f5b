{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('minute_activity', 'activity_minute', {
    'steps': 'steps',
    'distance_km': 'distance_km',
    'calories': 'calories',
    'recorded_by': 'recorded_by',
}, is_zoned=true) }}
