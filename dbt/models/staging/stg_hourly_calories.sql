{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('hourly_calories', 'activity_hour', {
    'calories': 'calories',
}) }}
