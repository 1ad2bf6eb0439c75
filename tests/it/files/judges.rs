//! Programs that judge PDFs: qpdf, poppler, PDFium.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Package, python_script, run, tool};

/// Runs qpdf on a file; `arguments` stand between the input and the output.
pub fn qpdf(original: &[u8], arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.pdf"), folder.path().join("to.pdf"));
    std::fs::write(&from, original).unwrap();
    run(Command::new(tool("qpdf", Package::Debian("qpdf"))).arg(&from).args(arguments).arg(&to));
    std::fs::read(to).unwrap()
}

/// The bytes in a file that lives as long as its folder.
pub fn saved(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stamped.pdf");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// qpdf finds nothing wrong.
pub fn assert_sound(bytes: &[u8]) {
    let (_folder, path) = saved(bytes);
    let output = run(Command::new(tool("qpdf", Package::Debian("qpdf"))).arg("--check").arg(&path));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("No syntax or stream encoding errors found"), "{said}");
}

/// What a search finds, by poppler.
pub fn text_of(bytes: &[u8]) -> String {
    poppler("pdftotext", bytes, &["-layout"], &["-"])
}

/// The fonts: name, kind, embedded, subset, … by poppler.
pub fn fonts_of(bytes: &[u8]) -> String {
    poppler("pdffonts", bytes, &[], &[])
}

fn poppler(name: &str, bytes: &[u8], before: &[&str], after: &[&str]) -> String {
    let (_folder, path) = saved(bytes);
    let program = tool(name, Package::Debian("poppler-utils"));
    let output = run(Command::new(program).args(before).arg(&path).args(after));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Pages and their text as PDFium sees them; each page is drawn too.
pub fn pdfium(bytes: &[u8]) -> Vec<String> {
    const SCRIPT: &str = "import sys, json, pypdfium2\n\
        document = pypdfium2.PdfDocument(sys.argv[1])\n\
        texts = []\n\
        for number in range(len(document)):\n\
        \x20   page = document[number]\n\
        \x20   if number < 3: page.render(scale=0.5)\n\
        \x20   texts.append(page.get_textpage().get_text_bounded())\n\
        print(json.dumps(texts))\n";
    let (_folder, path) = saved(bytes);
    serde_json::from_str(&python_script(SCRIPT, &[path.to_str().unwrap()])).unwrap()
}

/// What a barcode reader finds on the first page, drawn at 300 dpi by poppler: format and text of each code.
pub fn codes_of(bytes: &[u8]) -> Vec<(String, String)> {
    const SCRIPT: &str = "import sys, json, zxingcpp\n\
        from PIL import Image\n\
        codes = zxingcpp.read_barcodes(Image.open(sys.argv[1]))\n\
        print(json.dumps([[str(code.format).split('.')[-1].replace(' ', '').replace('_', '').lower(), code.text] \
        for code in codes]))\n";
    let (folder, path) = saved(bytes);
    let picture = folder.path().join("page");
    let program = tool("pdftoppm", Package::Debian("poppler-utils"));
    run(Command::new(program)
        .args(["-r", "300", "-f", "1", "-l", "1", "-png", "-singlefile"])
        .arg(&path)
        .arg(&picture));
    let picture = picture.with_extension("png");
    serde_json::from_str(&python_script(SCRIPT, &[picture.to_str().unwrap()])).unwrap()
}

/// Keeps a file where somebody wants to look at it.
pub fn show(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("YINGKU_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    }
}
