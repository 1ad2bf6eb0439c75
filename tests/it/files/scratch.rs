use super::pdf;
use yingku::documents::{DocumentsConfig, raster};
#[test]
fn scratch_images() {
    for (filter, bits, cs) in [("", 8, "DeviceGray"), ("/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 60000 /Rows 60000 >>", 1, "DeviceGray"), ("/Filter /RunLengthDecode", 8, "DeviceRGB"), ("/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2000000000 /Colors 4 >>", 8, "DeviceCMYK")] {
        let data = "\x00\x00\x00\x01";
        let f = pdf::file(&[
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>".to_owned(),
            pdf::stream("q 500 0 0 500 0 0 cm /I Do Q"),
            format!("<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent {bits} /ColorSpace /{cs} {filter} /Length {} >>\nstream\n{data}\nendstream", data.len()),
        ]);
        let t = std::time::Instant::now();
        let r = raster::render_page(&f, 1, 400, &DocumentsConfig::default());
        let peak = std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
        println!("IMG {filter}: {:?} {:?} {peak}", r.map(|b| b.len()), t.elapsed());
    }
    let f = pdf::report_with("", "/MediaBox [0 0 1e9 1e9]", "0 0 m");
    println!("IMG huge box {:?}", raster::render_page(&f, 1, 400, &DocumentsConfig::default()).map(|b| b.len()));
}
