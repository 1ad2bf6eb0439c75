// Signed links to the pages of Yingku, on a server: the secret must never reach a browser.
// 影库签名链接（Node.js 服务端；密钥不得下发到浏览器）。 node sign-link.mjs prints the test vectors 输出测试向量。
import { createHash, createHmac } from "node:crypto";

/** token: MD5 over the values in the order of the address, then the secret, in UTF-16LE. 参数值按顺序相加 + 密钥，UTF-16LE，MD5 */
export function token(parameters, secret) {
  const text = parameters.map(([, value]) => value).join("") + secret;
  return createHash("md5").update(text, "utf16le").digest("hex").toUpperCase();
}

/** sign: HMAC-SHA-256 over "page=…" and the sorted lines "name=value". 推荐 */
export function sign(page, parameters, secret) {
  const lines = parameters
    .filter(([, value]) => value !== "")
    .map(([name, value]) => [name.toLowerCase(), value])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}\n`);
  const text = `page=${page.toLowerCase()}\n` + lines.join("");
  return createHmac("sha256", secret).update(text, "utf8").digest("hex");
}

/** The whole address; Timestamp is added here. 生成完整链接，自动追加 Timestamp */
export function link(base, page, parameters, secret) {
  const all = [...parameters, ["Timestamp", String(Math.floor(Date.now() / 1000))]];
  const query = [...all, ["sign", sign(page, all, secret)]];
  return `${base}/IDCAS/Interface/${page}?` + query.map(([n, v]) => `${n}=${encodeURIComponent(v)}`).join("&");
}

const vector = [
  ["CustomerGuid", "11111111-2222-4333-8444-555555555555"], ["UserID", "u01"], ["UserName", "测试医生甲"],
  ["UserOrganizationID", "ORG-T01"], ["UserOrganizationName", "示例医院"], ["MedRecNO", "MR0001"],
  ["Timestamp", "1700000000"],
];
console.log(token(vector, "unit-test-secret-1"));
console.log(sign("ClinicExamView", vector, "unit-test-secret-1"));
