-- when each person is said to have signed up, and from when to when that was what had been said
{{ stated_periods('signed_up_at') }}
