// Signed links to the pages of Yingku. 影库签名链接（.NET Framework 4.5+ / .NET）。 Main prints the test vectors 输出测试向量。
using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

static class SignLink {
    /// token: MD5 over the values in the order of the address, then the secret, in UTF-16LE (Encoding.Unicode).
    public static string Token(IEnumerable<KeyValuePair<string, string>> parameters, string secret) {
        var text = string.Concat(parameters.Select(p => p.Value)) + secret;
        using (var md5 = MD5.Create()) return Hex(md5.ComputeHash(Encoding.Unicode.GetBytes(text))).ToUpperInvariant();
    }

    /// sign: HMAC-SHA-256 over "page=…" and the sorted lines "name=value". 推荐
    public static string Sign(string page, IEnumerable<KeyValuePair<string, string>> parameters, string secret) {
        var lines = parameters.Where(p => p.Value != "")
            .Select(p => new KeyValuePair<string, string>(p.Key.ToLowerInvariant(), p.Value))
            .OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => p.Key + "=" + p.Value + "\n");
        var text = "page=" + page.ToLowerInvariant() + "\n" + string.Concat(lines);
        using (var hmac = new HMACSHA256(Encoding.UTF8.GetBytes(secret))) return Hex(hmac.ComputeHash(Encoding.UTF8.GetBytes(text)));
    }

    /// The whole address; Timestamp is added here. 生成完整链接
    public static string Link(string root, string page, List<KeyValuePair<string, string>> parameters, string secret) {
        var seconds = (long)(DateTime.UtcNow - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds;
        parameters.Add(new KeyValuePair<string, string>("Timestamp", seconds.ToString()));
        parameters.Add(new KeyValuePair<string, string>("sign", Sign(page, parameters, secret)));
        return root + "/IDCAS/Interface/" + page + "?"
            + string.Join("&", parameters.Select(p => p.Key + "=" + Uri.EscapeDataString(p.Value)));
    }

    static string Hex(byte[] bytes) { return string.Concat(bytes.Select(b => b.ToString("x2"))); }

    static void Main() {
        var vector = new[] {
            new[] { "CustomerGuid", "11111111-2222-4333-8444-555555555555" }, new[] { "UserID", "u01" },
            new[] { "UserName", "测试医生甲" }, new[] { "UserOrganizationID", "ORG-T01" },
            new[] { "UserOrganizationName", "示例医院" }, new[] { "MedRecNO", "MR0001" }, new[] { "Timestamp", "1700000000" },
        }.Select(p => new KeyValuePair<string, string>(p[0], p[1])).ToList();
        Console.WriteLine(Token(vector, "unit-test-secret-1"));
        Console.WriteLine(Sign("ClinicExamView", vector, "unit-test-secret-1"));
    }
}
