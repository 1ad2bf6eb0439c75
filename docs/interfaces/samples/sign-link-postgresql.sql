-- Signed links to the pages of Yingku. 影库签名链接（PostgreSQL 11+）。 psql -f prints the test vectors 输出测试向量。
create function pg_temp.utf16le (text) returns bytea language sql immutable as $$
    select coalesce(string_agg(case
        when c < 65536 then set_byte(set_byte('\x0000'::bytea, 0, c & 255), 1, c >> 8)
        else set_byte(set_byte(set_byte(set_byte('\x00000000'::bytea,
            0, (55296 + ((c - 65536) >> 10)) & 255), 1, (55296 + ((c - 65536) >> 10)) >> 8),
            2, (56320 + ((c - 65536) & 1023)) & 255), 3, (56320 + ((c - 65536) & 1023)) >> 8)
        end, ''::bytea order by n), ''::bytea)
    from (select n, ascii(part) as c from regexp_split_to_table($1, '') with ordinality as parts (part, n)
          where part <> '') as characters
$$;
create function pg_temp.pad (key bytea, mask int) returns bytea language sql immutable as $$
    select string_agg(set_byte('\x00'::bytea, 0, (case when n < length(key) then get_byte(key, n) else 0 end) # mask),
        ''::bytea order by n) from generate_series(0, 63) as n
$$;
-- The values in the order of the address, one behind the other. 参数值按顺序直接拼接
create function pg_temp.yingku_token (joined text, secret text) returns text language sql immutable as $$
    select upper(md5(pg_temp.utf16le(joined || secret)))
$$;
-- 'page=clinicexam' || chr(10) || sorted lines name=value, each with chr(10); secrets have at most 64 bytes. 规范化文本
create function pg_temp.yingku_sign (canonical text, secret text) returns text language sql immutable as $$
    select encode(sha256(pg_temp.pad(convert_to(secret, 'UTF8'), 92) || sha256(
        pg_temp.pad(convert_to(secret, 'UTF8'), 54) || convert_to(canonical, 'UTF8'))), 'hex')
$$;
-- The text for yingku_sign. 规范化文本
create function pg_temp.yingku_text (page text, names text[], vals text[]) returns text language sql immutable as $$
    select 'page=' || lower(page) || E'\n'
        || coalesce(string_agg(lower(name) || '=' || value || E'\n', '' order by lower(name) collate "C"), '')
    from unnest(names, vals) as parameters (name, value) where value <> ''
$$;
-- As UTF-8, everything but letters, digits and - . _ ~ in percent signs. 按 UTF-8 做 URL 编码
create function pg_temp.yingku_encode (value text) returns text language sql immutable as $$
    select coalesce(string_agg(case
        when b between 48 and 57 or b between 65 and 90 or b between 97 and 122 or b in (45, 46, 95, 126) then chr(b)
        else '%' || upper(lpad(to_hex(b), 2, '0')) end, '' order by n), '')
    from (select n, get_byte(convert_to(value, 'UTF8'), n) as b
          from generate_series(0, length(convert_to(value, 'UTF8')) - 1) as n) as bytes
$$;
-- The whole address; Timestamp is added here. 生成完整链接
create function pg_temp.yingku_link (base text, page text, names text[], vals text[], secret text) returns text language sql as $$
    select base || '/IDCAS/Interface/' || page || '?' || query || '&sign='
        || pg_temp.yingku_sign(pg_temp.yingku_text(page, all_names, all_vals), secret)
    from (select names || 'Timestamp'::text as all_names,
                 vals || floor(extract(epoch from clock_timestamp()))::bigint::text as all_vals) as stamped,
        lateral (select string_agg(name || '=' || pg_temp.yingku_encode(value), '&' order by n) as query
                 from unnest(all_names, all_vals) with ordinality as parameters (name, value, n) where value <> '') as encoded
$$;
select pg_temp.yingku_token('11111111-2222-4333-8444-555555555555u01测试医生甲ORG-T01示例医院MR00011700000000', 'unit-test-secret-1');
select pg_temp.yingku_sign(pg_temp.yingku_text('ClinicExamView',
    array['CustomerGuid', 'UserID', 'UserName', 'UserOrganizationID', 'UserOrganizationName', 'MedRecNO', 'Timestamp'],
    array['11111111-2222-4333-8444-555555555555', 'u01', '测试医生甲', 'ORG-T01', '示例医院', 'MR0001', '1700000000']),
    'unit-test-secret-1');
