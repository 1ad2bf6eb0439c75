-- Signed links to the pages of Yingku. 影库签名链接（SQL Server 2012+；sign 需 2019+ 的 UTF-8 排序规则）。
-- nvarchar is UTF-16LE, so that HASHBYTES over it is the token.
create function dbo.yingku_token (@values nvarchar(max), @secret nvarchar(100)) returns char(32) as
begin -- @values: the values in the order of the address, one behind the other 参数值按顺序直接拼接
    return convert(char(32), hashbytes('MD5', @values + @secret), 2)
end
go
create function dbo.yingku_sign (@text nvarchar(max), @secret nvarchar(60)) returns char(64) as
begin -- @text: 'page=clinicexam' + char(10) + sorted lines name=value, each with char(10) 规范化文本
    declare @message varbinary(max) = cast(cast(@text collate Latin1_General_100_CI_AS_SC_UTF8 as varchar(max)) as varbinary(max)),
            @key varbinary(64) = cast(cast(@secret as varchar(60)) as varbinary(64)),
            @inner varbinary(64) = 0x, @outer varbinary(64) = 0x, @at int = 1, @byte int
    while @at <= 64
    begin
        set @byte = case when @at <= datalength(@key) then cast(substring(@key, @at, 1) as int) else 0 end
        set @inner = @inner + cast(@byte ^ 0x36 as binary(1))
        set @outer = @outer + cast(@byte ^ 0x5c as binary(1))
        set @at = @at + 1
    end
    return lower(convert(char(64), hashbytes('SHA2_256', @outer + hashbytes('SHA2_256', @inner + @message)), 2))
end
go
select dbo.yingku_token(N'11111111-2222-4333-8444-555555555555u01测试医生甲ORG-T01示例医院MR00011700000000', N'unit-test-secret-1')
-- EDC12F2114C9181950D3F51E3F216C52
