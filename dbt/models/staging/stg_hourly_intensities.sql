{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('hourly_intensities', 'activity_hour', {
    'total_intensity': 'total_intensity',
    'average_intensity': 'average_intensity',
}) }}
