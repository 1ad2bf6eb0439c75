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
select pg_temp.yingku_token('11111111-2222-4333-8444-555555555555u01测试医生甲ORG-T01示例医院MR00011700000000', 'unit-test-secret-1');
select pg_temp.yingku_sign(E'page=clinicexamview\ncustomerguid=11111111-2222-4333-8444-555555555555\nmedrecno=MR0001\n'
    || E'timestamp=1700000000\nuserid=u01\nusername=测试医生甲\nuserorganizationid=ORG-T01\nuserorganizationname=示例医院\n',
    'unit-test-secret-1');
