// Signed links to the pages of Yingku. 影库签名链接（Delphi 10 Seattle+：System.Hash 自该版起有 SHA-2；只用 Token 时 XE8+ 即可）。
// Free Pascal 3.2 and Lazarus too; their strings must be UTF-8, as they are in Lazarus. 也可用 Free Pascal 3.2、Lazarus 编译（字符串为 UTF-8）
// SignLinkVectors.dpr prints the test vectors. SignLinkVectors.dpr 输出测试向量
unit SignLink;

{$IFDEF FPC}{$MODE DELPHI}{$ENDIF}

interface

uses {$IFDEF FPC} SysUtils, Classes, DateUtils, md5 {$ELSE} System.SysUtils, System.Classes, System.Hash, System.DateUtils {$ENDIF};

/// Parameters as 'Name=Value' in the order of the address. 参数按链接中的顺序，格式为“名=值”
function Token(Parameters: TStrings; const Secret: string): string;
function Sign(const Page: string; Parameters: TStrings; const Secret: string): string;
function Link(const Base, Page: string; Parameters: TStrings; const Secret: string): string;

implementation

{$IFDEF FPC}
{$PUSH}{$Q-}{$R-} // sums of 32 bits without their carry

// Free Pascal 3.2 has MD5, but no SHA-256. Free Pascal 3.2 自带 MD5，不含 SHA-256
function Sha256(const Message: TBytes): TBytes;
type
  TState = array[0..7] of LongWord;
const
  K: array[0..63] of LongWord = (
    $428A2F98, $71374491, $B5C0FBCF, $E9B5DBA5, $3956C25B, $59F111F1, $923F82A4, $AB1C5ED5,
    $D807AA98, $12835B01, $243185BE, $550C7DC3, $72BE5D74, $80DEB1FE, $9BDC06A7, $C19BF174,
    $E49B69C1, $EFBE4786, $0FC19DC6, $240CA1CC, $2DE92C6F, $4A7484AA, $5CB0A9DC, $76F988DA,
    $983E5152, $A831C66D, $B00327C8, $BF597FC7, $C6E00BF3, $D5A79147, $06CA6351, $14292967,
    $27B70A85, $2E1B2138, $4D2C6DFC, $53380D13, $650A7354, $766A0ABB, $81C2C92E, $92722C85,
    $A2BFE8A1, $A81A664B, $C24B8B70, $C76C51A3, $D192E819, $D6990624, $F40E3585, $106AA070,
    $19A4C116, $1E376C08, $2748774C, $34B0BCB5, $391C0CB3, $4ED8AA4A, $5B9CCA4F, $682E6FF3,
    $748F82EE, $78A5636F, $84C87814, $8CC70208, $90BEFFFA, $A4506CEB, $BEF9A3F7, $C67178F2);
var
  State: TState = (
    $6A09E667, $BB67AE85, $3C6EF372, $A54FF53A, $510E527F, $9B05688C, $1F83D9AB, $5BE0CD19);
  Now: TState;
  W: array[0..63] of LongWord;
  Padded: TBytes;
  Bits: QWord;
  One, Two: LongWord;
  Block, I, J: Integer;
begin
  Padded := Copy(Message, 0, Length(Message));
  Bits := QWord(Length(Message)) * 8;
  SetLength(Padded, (Length(Message) + 8) div 64 * 64 + 64); // new bytes are zero
  Padded[Length(Message)] := $80;
  for I := 0 to 7 do
    Padded[High(Padded) - I] := Byte(Bits shr (8 * I));
  for Block := 0 to Length(Padded) div 64 - 1 do
  begin
    for I := 0 to 15 do
    begin
      J := Block * 64 + I * 4;
      W[I] := (LongWord(Padded[J]) shl 24) or (LongWord(Padded[J + 1]) shl 16) or (LongWord(Padded[J + 2]) shl 8) or Padded[J + 3];
    end;
    for I := 16 to 63 do
    begin
      One := RorDWord(W[I - 15], 7) xor RorDWord(W[I - 15], 18) xor (W[I - 15] shr 3);
      Two := RorDWord(W[I - 2], 17) xor RorDWord(W[I - 2], 19) xor (W[I - 2] shr 10);
      W[I] := LongWord(W[I - 16] + One + W[I - 7] + Two);
    end;
    Now := State;
    for I := 0 to 63 do
    begin
      One := RorDWord(Now[4], 6) xor RorDWord(Now[4], 11) xor RorDWord(Now[4], 25);
      One := LongWord(Now[7] + One + ((Now[4] and Now[5]) xor ((not Now[4]) and Now[6])) + K[I] + W[I]);
      Two := RorDWord(Now[0], 2) xor RorDWord(Now[0], 13) xor RorDWord(Now[0], 22);
      Two := LongWord(Two + ((Now[0] and Now[1]) xor (Now[0] and Now[2]) xor (Now[1] and Now[2])));
      for J := 7 downto 1 do
        Now[J] := Now[J - 1];
      Now[4] := LongWord(Now[4] + One);
      Now[0] := LongWord(One + Two);
    end;
    for I := 0 to 7 do
      State[I] := LongWord(State[I] + Now[I]);
  end;
  SetLength(Result, 32);
  for I := 0 to 31 do
    Result[I] := Byte(State[I div 4] shr (24 - 8 * (I mod 4)));
end;

{$POP}

function HmacSha256(const Message, Key: TBytes): TBytes;
var
  Inner, Outer: TBytes;
  I: Integer;
begin
  if Length(Key) > 64 then
    Outer := Sha256(Key)
  else
    Outer := Copy(Key, 0, Length(Key));
  SetLength(Outer, 64);
  Inner := Copy(Outer, 0, 64);
  for I := 0 to 63 do
  begin
    Inner[I] := Inner[I] xor $36;
    Outer[I] := Outer[I] xor $5C;
  end;
  Result := Sha256(Concat(Outer, Sha256(Concat(Inner, Message))));
end;

function Utf8Bytes(const Text: string): TBytes;
begin
  Result := BytesOf(Text);
end;

function Utf16Bytes(const Text: string): TBytes;
var
  Wide: UnicodeString;
  I: Integer;
begin
  Wide := UTF8Decode(Text);
  SetLength(Result, 2 * Length(Wide));
  for I := 1 to Length(Wide) do
  begin
    Result[2 * I - 2] := Lo(Word(Wide[I]));
    Result[2 * I - 1] := Hi(Word(Wide[I]));
  end;
end;

function Md5Hex(const Message: TBytes): string;
begin
  Result := MD5Print(MD5Buffer(Message[0], Length(Message)));
end;

function HmacSha256Hex(const Message, Key: TBytes): string;
var
  Part: Byte;
begin
  Result := '';
  for Part in HmacSha256(Message, Key) do
    Result := Result + IntToHex(Part, 2);
end;

{$ELSE}

function Utf8Bytes(const Text: string): TBytes;
begin
  Result := TEncoding.UTF8.GetBytes(Text);
end;

function Utf16Bytes(const Text: string): TBytes;
begin
  Result := TEncoding.Unicode.GetBytes(Text);
end;

function Md5Hex(const Message: TBytes): string;
var
  Hash: THashMD5;
begin
  Hash := THashMD5.Create;
  Hash.Update(Message);
  Result := Hash.HashAsString;
end;

function HmacSha256Hex(const Message, Key: TBytes): string;
begin
  Result := THash.DigestAsString(THashSHA2.GetHMACAsBytes(Message, Key, THashSHA2.TSHA2Version.SHA256));
end;

{$ENDIF}

function CompareOrdinal(List: TStringList; A, B: Integer): Integer;
begin
  Result := CompareStr(List.Names[A], List.Names[B]);
end;

// MD5 over the values in order, then the secret, in UTF-16LE.
function Token(Parameters: TStrings; const Secret: string): string;
var
  Text: string;
  I: Integer;
begin
  Text := '';
  for I := 0 to Parameters.Count - 1 do
    Text := Text + Parameters.ValueFromIndex[I];
  Result := UpperCase(Md5Hex(Utf16Bytes(Text + Secret)));
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
    Result := LowerCase(HmacSha256Hex(Utf8Bytes(Text), Utf8Bytes(Secret)));
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
  Bytes := Utf8Bytes(Value);
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
  Parameters.Add('Timestamp=' + IntToStr(DateTimeToUnix(
    {$IFDEF FPC} LocalTimeToUniversal(Now) {$ELSE} TTimeZone.Local.ToUniversalTime(Now) {$ENDIF})));
  Parameters.Add('sign=' + Sign(Page, Parameters, Secret));
  Result := Base + '/IDCAS/Interface/' + Page;
  for I := 0 to Parameters.Count - 1 do
    if I = 0 then
      Result := Result + '?' + Parameters.Names[I] + '=' + PercentEncoded(Parameters.ValueFromIndex[I])
    else
      Result := Result + '&' + Parameters.Names[I] + '=' + PercentEncoded(Parameters.ValueFromIndex[I]);
end;

end.
