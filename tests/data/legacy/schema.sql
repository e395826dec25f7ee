-- The shape of the predecessor's database, as far as it is known: types, keys and times without a zone are as there.
CREATE TABLE whatsapp_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    slug text UNIQUE NOT NULL,
    phone_number text,
    phone_number_id text UNIQUE NOT NULL,
    access_token text NOT NULL,
    verify_token text NOT NULL,
    is_active boolean DEFAULT true,
    created_at timestamp DEFAULT now(),
    bot_auto_on boolean DEFAULT false,
    waba_id text,
    business_id text,
    evolution_instance text
);
CREATE TABLE contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    whatsapp_number text UNIQUE NOT NULL,
    display_name text,
    created_at timestamp DEFAULT now(),
    profile_picture_url text
);
CREATE TABLE conversations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    contact_id uuid REFERENCES contacts (id),
    account_id uuid REFERENCES whatsapp_accounts (id),
    client_number text NOT NULL,
    is_group boolean DEFAULT false,
    is_favorite boolean DEFAULT false,
    unread_count int DEFAULT 0,
    status text DEFAULT 'open',
    updated_at timestamp DEFAULT now(),
    bot_enabled boolean DEFAULT false,
    bot_last_reply_at timestamptz,
    UNIQUE (account_id, client_number)
);
CREATE TABLE messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    conversation_id uuid REFERENCES conversations (id),
    direction text NOT NULL,
    content_text text,
    timestamp timestamp DEFAULT now(),
    wa_message_id text UNIQUE,
    message_type text,
    status text,
    media_id text,
    media_mime_type text,
    media_filename text,
    error_message text,
    reply_to_message_id uuid REFERENCES messages (id),
    storage_url text,
    edited_at timestamptz,
    deleted_for_all_at timestamptz,
    interactive_data jsonb,
    is_system boolean DEFAULT false,
    sent_by_user_id uuid,
    sent_via text
);
CREATE TABLE message_reactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    message_id uuid NOT NULL REFERENCES messages (id),
    wa_message_id text UNIQUE,
    emoji text NOT NULL,
    from_number text NOT NULL,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE bot_profiles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid UNIQUE NOT NULL REFERENCES whatsapp_accounts (id),
    business_name text,
    description text,
    address text,
    hours text,
    knowledge_base text,
    custom_fields jsonb DEFAULT '[]',
    template_config jsonb DEFAULT '{}',
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE app_permissions (code text PRIMARY KEY, label text);
CREATE TABLE app_roles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug text UNIQUE NOT NULL,
    name text NOT NULL,
    description text
);
CREATE TABLE role_permissions (
    role_id uuid REFERENCES app_roles (id),
    permission_code text,
    PRIMARY KEY (role_id, permission_code)
);
CREATE TABLE app_users (
    user_id uuid PRIMARY KEY,
    email text,
    display_name text,
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE app_user_roles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES app_users (user_id),
    role_id uuid REFERENCES app_roles (id),
    account_id uuid REFERENCES whatsapp_accounts (id)
);
CREATE TABLE app_user_overrides (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES app_users (user_id),
    permission_code text,
    account_id uuid REFERENCES whatsapp_accounts (id),
    is_allowed boolean NOT NULL
);
CREATE TABLE user_account_access (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES app_users (user_id),
    account_id uuid NOT NULL REFERENCES whatsapp_accounts (id),
    access_level text NOT NULL
);
CREATE TABLE broadcast_groups (id uuid PRIMARY KEY, name text);
