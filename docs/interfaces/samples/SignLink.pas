// Signed links to the pages of Yingku. 影库签名链接（Delphi 10 Seattle+：System.Hash 自该版起有 SHA-2；只用 Token 时 XE8+ 即可）。
unit SignLink;

interface

uses System.SysUtils, System.Classes, System.Hash, System.DateUtils;

/// Parameters as 'Name=Value' in the order of the address. 参数按链接中的顺序，格式为“名=值”
function Token(Parameters: TStrings; const Secret: string): string;
function Sign(const Page: string; Parameters: TStrings; const Secret: string): string;
function Link(const Base, Page: string; Parameters: TStrings; const Secret: string): string;

implementation

function CompareOrdinal(List: TStringList; A, B: Integer): Integer;
begin
  Result := CompareStr(List.Names[A], List.Names[B]);
end;

// MD5 over the values in order, then the secret, in UTF-16LE.
function Token(Parameters: TStrings; const Secret: string): string;
var
  Text: string;
  Hash: THashMD5;
  I: Integer;
begin
  Text := '';
  for I := 0 to Parameters.Count - 1 do
    Text := Text + Parameters.ValueFromIndex[I];
  Hash := THashMD5.Create;
  Hash.Update(TEncoding.Unicode.GetBytes(Text + Secret));
  Result := UpperCase(Hash.HashAsString);
end;

// HMAC-SHA-256 over "page=…" and the sorted lines "name=value". 推荐
function Sign(const Page: string; Parameters: TStrings; const Secret: string): string;
var
  Lines: TStringList;
  Text: string;
  I: Integer;
begin
  Lines := TStringList.Create;
  try
    for I := 0 to Parameters.Count - 1 do
      if Parameters.ValueFromIndex[I] <> '' then
        Lines.Add(LowerCase(Parameters.Names[I]) + '=' + Parameters.ValueFromIndex[I]);
    Lines.CustomSort(CompareOrdinal);
    Text := 'page=' + LowerCase(Page) + #10;
    for I := 0 to Lines.Count - 1 do
      Text := Text + Lines[I] + #10;
    Result := LowerCase(THash.DigestAsString(THashSHA2.GetHMACAsBytes(
      TEncoding.UTF8.GetBytes(Text), TEncoding.UTF8.GetBytes(Secret), THashSHA2.TSHA2Version.SHA256)));
  finally
    Lines.Free;
  end;
end;

// As UTF-8, everything but letters, digits and - . _ ~ in percent signs. 参数值按 UTF-8 做 URL 编码
function PercentEncoded(const Value: string): string;
var
  Bytes: TBytes;
  I: Integer;
begin
  Result := '';
  Bytes := TEncoding.UTF8.GetBytes(Value);
  for I := 0 to Length(Bytes) - 1 do
    if Bytes[I] in [Ord('0')..Ord('9'), Ord('A')..Ord('Z'), Ord('a')..Ord('z'), Ord('-'), Ord('.'), Ord('_'), Ord('~')] then
      Result := Result + Char(Bytes[I])
    else
      Result := Result + '%' + IntToHex(Bytes[I], 2);
end;

// The whole address; Timestamp is added here. 生成完整链接
function Link(const Base, Page: string; Parameters: TStrings; const Secret: string): string;
var
  I: Integer;
begin
  Parameters.Add('Timestamp=' + IntToStr(DateTimeToUnix(TTimeZone.Local.ToUniversalTime(Now))));
  Parameters.Add('sign=' + Sign(Page, Parameters, Secret));
  Result := Base + '/IDCAS/Interface/' + Page;
  for I := 0 to Parameters.Count - 1 do
    if I = 0 then
      Result := Result + '?' + Parameters.Names[I] + '=' + PercentEncoded(Parameters.ValueFromIndex[I])
    else
      Result := Result + '&' + Parameters.Names[I] + '=' + PercentEncoded(Parameters.ValueFromIndex[I]);
end;

end.
