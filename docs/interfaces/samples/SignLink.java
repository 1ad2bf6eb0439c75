// Signed links to the pages of Yingku. 影库签名链接（Java 11+）。 java SignLink.java prints the test vectors 输出测试向量。
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class SignLink {
    /** token: MD5 over the values in the order of the address, then the secret, in UTF-16LE. */
    static String token(LinkedHashMap<String, String> parameters, String secret) throws GeneralSecurityException {
        byte[] text = (String.join("", parameters.values()) + secret).getBytes(StandardCharsets.UTF_16LE);
        return hex(MessageDigest.getInstance("MD5").digest(text)).toUpperCase(Locale.ROOT);
    }

    /** sign: HMAC-SHA-256 over "page=…" and the sorted lines "name=value". 推荐 */
    static String sign(String page, Map<String, String> parameters, String secret) throws GeneralSecurityException {
        TreeMap<String, String> sorted = new TreeMap<>();
        parameters.forEach((name, value) -> { if (!value.isEmpty()) sorted.put(name.toLowerCase(Locale.ROOT), value); });
        StringBuilder text = new StringBuilder("page=" + page.toLowerCase(Locale.ROOT) + "\n");
        sorted.forEach((name, value) -> text.append(name).append('=').append(value).append('\n'));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        return hex(mac.doFinal(text.toString().getBytes(StandardCharsets.UTF_8)));
    }

    /** The whole address; Timestamp is added here. 生成完整链接 */
    static String link(String base, String page, LinkedHashMap<String, String> parameters, String secret)
            throws GeneralSecurityException {
        parameters.put("Timestamp", Long.toString(System.currentTimeMillis() / 1000));
        parameters.put("sign", sign(page, parameters, secret));
        return base + "/IDCAS/Interface/" + page + "?" + parameters.entrySet().stream()
            .map(p -> p.getKey() + "=" + URLEncoder.encode(p.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("&"));
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) text.append(String.format("%02x", b));
        return text.toString();
    }

    public static void main(String[] arguments) throws GeneralSecurityException {
        LinkedHashMap<String, String> vector = new LinkedHashMap<>();
        vector.put("CustomerGuid", "11111111-2222-4333-8444-555555555555");
        vector.put("UserID", "u01");
        vector.put("UserName", "\u6d4b\u8bd5\u533b\u751f\u7532");
        vector.put("UserOrganizationID", "ORG-T01");
        vector.put("UserOrganizationName", "\u793a\u4f8b\u533b\u9662");
        vector.put("MedRecNO", "MR0001");
        vector.put("Timestamp", "1700000000");
        System.out.println(token(vector, "unit-test-secret-1"));
        System.out.println(sign("ClinicExamView", vector, "unit-test-secret-1"));
    }
}
