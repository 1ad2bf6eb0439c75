-- Signed links to the pages of Yingku. 影库签名链接（Oracle 12c+；需要 DBMS_CRYPTO 的执行权限）。
create or replace function yingku_token (p_values in varchar2, p_secret in varchar2) return varchar2 is
begin -- p_values: the values in the order of the address, one behind the other 参数值按顺序直接拼接
    return rawtohex(dbms_crypto.hash(utl_i18n.string_to_raw(p_values || p_secret, 'AL16UTF16LE'), dbms_crypto.hash_md5));
end;
/
create or replace function yingku_sign (p_text in varchar2, p_secret in varchar2) return varchar2 is
begin -- p_text: 'page=clinicexam' || chr(10) || sorted lines name=value, each with chr(10) 规范化文本
    return lower(rawtohex(dbms_crypto.mac(utl_i18n.string_to_raw(p_text, 'AL32UTF8'), dbms_crypto.hmac_sh256,
        utl_i18n.string_to_raw(p_secret, 'AL32UTF8'))));
end;
/
create or replace function yingku_text (p_page in varchar2, p_names in sys.odcivarchar2list, p_values in sys.odcivarchar2list)
    return varchar2 is -- the text for yingku_sign 规范化文本
    type texts is table of varchar2(4000) index by varchar2(64); -- in the order of its names
    l_sorted texts;
    l_name varchar2(64);
    l_text varchar2(32767) := 'page=' || lower(p_page) || chr(10);
begin
    for n in 1 .. p_names.count loop
        if p_values(n) is not null then
            l_sorted(lower(p_names(n))) := p_values(n);
        end if;
    end loop;
    l_name := l_sorted.first;
    while l_name is not null loop
        l_text := l_text || l_name || '=' || l_sorted(l_name) || chr(10);
        l_name := l_sorted.next(l_name);
    end loop;
    return l_text;
end;
/
create or replace function yingku_link (p_base in varchar2, p_page in varchar2, p_names in sys.odcivarchar2list,
    p_values in sys.odcivarchar2list, p_secret in varchar2) return varchar2 is -- the whole address; Timestamp is added here 生成完整链接
    l_names sys.odcivarchar2list := p_names;
    l_values sys.odcivarchar2list := p_values;
    l_query varchar2(32767);
begin
    l_names.extend;
    l_names(l_names.count) := 'Timestamp';
    l_values.extend;
    l_values(l_values.count) := to_char(round((cast(sys_extract_utc(systimestamp) as date) - date '1970-01-01') * 86400));
    for n in 1 .. l_names.count loop
        if l_values(n) is not null then
            l_query := l_query || l_names(n) || '=' || utl_url.escape(l_values(n), true, 'AL32UTF8') || '&';
        end if;
    end loop;
    return p_base || '/IDCAS/Interface/' || p_page || '?' || l_query || 'sign='
        || yingku_sign(yingku_text(p_page, l_names, l_values), p_secret);
end;
/
select yingku_token('11111111-2222-4333-8444-555555555555u01测试医生甲ORG-T01示例医院MR00011700000000', 'unit-test-secret-1') from dual;
-- EDC12F2114C9181950D3F51E3F216C52
select yingku_sign(yingku_text('ClinicExamView',
    sys.odcivarchar2list('CustomerGuid', 'UserID', 'UserName', 'UserOrganizationID', 'UserOrganizationName', 'MedRecNO', 'Timestamp'),
    sys.odcivarchar2list('11111111-2222-4333-8444-555555555555', 'u01', '测试医生甲', 'ORG-T01', '示例医院', 'MR0001', '1700000000')),
    'unit-test-secret-1') from dual;
-- 724acc8b715865a865f0b39be3f43bd6abd3f74ba72b2a87563029b38bc06ea1
