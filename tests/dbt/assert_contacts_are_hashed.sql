-- whoever has to send an address in clear text takes its name out of personal_fields, and knows it
select
    attributes.attribute_name,
    attributes.destination,
    'it would be sent in clear text: set is_hashed in profile_attributes.csv' as fault

from {{ ref('profile_attributes') }} as attributes
inner join {{ ref('personal_fields') }} as fields
    on attributes.attribute_name = fields.field_name
where
    attributes.is_enabled
    and fields.personal_class = 'contact'
    and not coalesce(attributes.is_hashed, false)
