-- what segment each person was in and when: a threshold for a segment holds for those who were
-- known to be in it
{{ stated_periods('segment') }}
