// Prints the test vectors of SignLink.pas, then one whole link. 输出测试向量和一个完整链接
// Free Pascal: fpc SignLinkVectors.dpr
program SignLinkVectors;

{$IFDEF FPC}{$MODE DELPHI}{$ELSE}{$APPTYPE CONSOLE}{$ENDIF}

uses {$IFDEF FPC} SysUtils, Classes, {$ELSE} System.SysUtils, System.Classes, {$ENDIF} SignLink in 'SignLink.pas';

// Characters by their numbers, because compilers differ in how they read this file. 用编码表示汉字，与源文件编码无关
function Utf(const Text: UnicodeString): string;
begin
  Result := {$IFDEF FPC} UTF8Encode(Text) {$ELSE} Text {$ENDIF};
end;

var
  Vector: TStringList;
begin
  {$IFDEF FPC} SetMultiByteConversionCodePage(CP_UTF8); {$ENDIF} // as every program of Lazarus does
  Vector := TStringList.Create;
  try
    Vector.Add('CustomerGuid=11111111-2222-4333-8444-555555555555');
    Vector.Add('UserID=u01');
    Vector.Add('UserName=' + Utf(#$6D4B#$8BD5#$533B#$751F#$7532)); // 测试医生甲
    Vector.Add('UserOrganizationID=ORG-T01');
    Vector.Add('UserOrganizationName=' + Utf(#$793A#$4F8B#$533B#$9662)); // 示例医院
    Vector.Add('MedRecNO=MR0001');
    Vector.Add('Timestamp=1700000000');
    Writeln(Token(Vector, 'unit-test-secret-1'));
    Writeln(Sign('ClinicExamView', Vector, 'unit-test-secret-1'));

    Vector.Clear;
    Vector.Add('CustomerGuid=11111111-2222-4333-8444-555555555555');
    Vector.Add('UserName=' + Utf(#$6D4B#$8BD5' '#$533B#$751F'+'#$7532)); // 测试 医生+甲
    Vector.Add('MedRecNO=');
    Vector.Add('AccessionNumber=A0001');
    Writeln(Link('https://archive.example.test', 'ClinicExam', Vector, 'unit-test-secret-1'));
  finally
    Vector.Free;
  end;
end.
