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
