-- Signed links to the pages of Yingku. 影库签名链接（token：SQL Server 2012+；sign、link：2019+，用到 UTF-8 排序规则）。
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
-- Parameters in the order of the address. 参数按链接中的顺序
create type dbo.yingku_parameters as table (position int not null primary key, name nvarchar(64) not null, value nvarchar(512) not null)
go
create function dbo.yingku_text (@page nvarchar(64), @parameters dbo.yingku_parameters readonly) returns nvarchar(max) as
begin -- the text for yingku_sign 规范化文本
    declare @lines nvarchar(max)
    select @lines = string_agg(cast(lower(name) + N'=' + value + nchar(10) as nvarchar(max)), N'')
            within group (order by lower(name) collate Latin1_General_100_BIN2)
        from @parameters where datalength(value) > 0
    return N'page=' + lower(@page) + nchar(10) + isnull(@lines, N'')
end
go
create function dbo.yingku_encode (@value nvarchar(512)) returns varchar(max) as
begin -- as UTF-8, everything but letters, digits and - . _ ~ in percent signs 按 UTF-8 做 URL 编码
    declare @bytes varbinary(max) = cast(cast(cast(@value as nvarchar(max)) collate Latin1_General_100_CI_AS_SC_UTF8 as varchar(max)) as varbinary(max)),
            @encoded varchar(max) = '', @at int = 1, @byte int
    while @at <= datalength(@bytes)
    begin
        set @byte = cast(substring(@bytes, @at, 1) as int)
        set @encoded = @encoded + case
            when @byte between 48 and 57 or @byte between 65 and 90 or @byte between 97 and 122 or @byte in (45, 46, 95, 126) then char(@byte)
            else '%' + convert(char(2), cast(@byte as binary(1)), 2) end
        set @at = @at + 1
    end
    return @encoded
end
go
create function dbo.yingku_link (@base nvarchar(400), @page nvarchar(64), @parameters dbo.yingku_parameters readonly, @secret nvarchar(60))
returns nvarchar(max) as
begin -- the whole address; Timestamp is added here 生成完整链接
    declare @all dbo.yingku_parameters, @query nvarchar(max)
    insert into @all select position, name, value from @parameters where datalength(value) > 0
    insert into @all select isnull(max(position), 0) + 1, N'Timestamp', cast(datediff_big(second, '1970-01-01', getutcdate()) as nvarchar(20)) from @all
    select @query = string_agg(cast(name + N'=' + dbo.yingku_encode(value) as nvarchar(max)), N'&') within group (order by position) from @all
    return @base + N'/IDCAS/Interface/' + @page + N'?' + @query + N'&sign=' + dbo.yingku_sign(dbo.yingku_text(@page, @all), @secret)
end
go
select dbo.yingku_token(N'11111111-2222-4333-8444-555555555555u01测试医生甲ORG-T01示例医院MR00011700000000', N'unit-test-secret-1')
-- EDC12F2114C9181950D3F51E3F216C52
declare @vector dbo.yingku_parameters
insert into @vector values (1, N'CustomerGuid', N'11111111-2222-4333-8444-555555555555'), (2, N'UserID', N'u01'), (3, N'UserName', N'测试医生甲'),
    (4, N'UserOrganizationID', N'ORG-T01'), (5, N'UserOrganizationName', N'示例医院'), (6, N'MedRecNO', N'MR0001'), (7, N'Timestamp', N'1700000000')
select dbo.yingku_sign(dbo.yingku_text(N'ClinicExamView', @vector), N'unit-test-secret-1')
-- 724acc8b715865a865f0b39be3f43bd6abd3f74ba72b2a87563029b38bc06ea1
