//! TIFF and odd pictures: what is in the wrapped PDF is, dot by dot, what libtiff and Pillow read of the original.

use std::path::{Path, PathBuf};
use std::process::Command;

use yingku::documents::DocumentsConfig;
use yingku::documents::picture::{PictureFormat, wrap_picture};
use yingku::documents::raster::render_page;
use yingku::documents::stamp::{StampPolicy, StampRefusal};

use super::judges::{assert_sound, pdfium};
use super::pdf::{MM, codes_on};
use crate::harness::{Package, python_script, run, tool};

const LINK: &str = "https://reports.example.test/q/abcdefghijklmnopqrstuvwxyz";

/// Pages of text-like strokes and boxes; widths that are no multiple of eight.
const PAGES: &str = "import sys\n\
    from PIL import Image, ImageDraw\n\
    kind, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])\n\
    pages = []\n\
    for number in range(count):\n\
    \x20   page = Image.new('RGB', (621, 877), (255, 255, 255))\n\
    \x20   draw = ImageDraw.Draw(page)\n\
    \x20   draw.rectangle((100, 100 + 60 * number, 300, 500), fill=(190, 30, 40))\n\
    \x20   draw.rectangle((250, 300, 400, 620), fill=(30, 90, 200))\n\
    \x20   draw.line((0, 0, 620, 876), fill=(0, 0, 0), width=3)\n\
    \x20   for y in range(650, 860, 7): draw.line((40, y, 600 - y % 90, y), fill=(0, 0, 0))\n\
    \x20   pages.append(page.convert('L').point(lambda v: 255 if v > 220 else 0).convert('1') if kind == '1' else\n\
    \x20       page.convert('P', palette=Image.ADAPTIVE, colors=int(kind)))\n\
    pages[0].save(path, 'TIFF', save_all=True, append_images=pages[1:], compression='raw')\n";

/// Compares the pages of a TIFF with pictures; prints where they differ.
const COMPARE: &str = "import sys\n\
    from PIL import Image, ImageChops\n\
    original = Image.open(sys.argv[1])\n\
    for number, path in enumerate(sys.argv[2:]):\n\
    \x20   original.seek(number)\n\
    \x20   a, b = original.convert('RGB'), Image.open(path).convert('RGB')\n\
    \x20   if a.size != b.size: print('size', number, a.size, b.size)\n\
    \x20   elif ImageChops.difference(a, b).getbbox(): print('page', number, ImageChops.difference(a, b).getbbox())\n";

fn made(folder: &Path, kind: &str, count: usize) -> PathBuf {
    let path = folder.join(format!("{kind}.tif"));
    python_script(PAGES, &[kind, path.to_str().unwrap(), &count.to_string()]);
    path
}

/// The same pages as libtiff's own tool packs them.
fn packed(original: &Path, arguments: &[&str]) -> PathBuf {
    let path = original.with_extension("packed.tif");
    run(Command::new(tool("tiffcp", Package::Debian("libtiff-tools"))).args(arguments).arg(original).arg(&path));
    path
}

/// The pictures of a PDF as poppler finds them, and how they differ from a TIFF as libtiff reads it.
fn differences(pdf: &[u8], tiff: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapped.pdf");
    std::fs::write(&path, pdf).unwrap();
    let program = tool("pdfimages", Package::Debian("poppler-utils"));
    run(Command::new(program).arg("-png").arg(&path).arg(folder.path().join("page")));
    let mut pages: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .filter(|path| path.ends_with(".png"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty());
    let mut arguments = vec![tiff.to_str().unwrap()];
    arguments.extend(pages.iter().map(String::as_str));
    python_script(COMPARE, &arguments)
}

fn wrapped(tiff: &Path) -> Vec<u8> {
    let bytes = std::fs::read(tiff).unwrap();
    let wrapped = wrap_picture(&bytes, PictureFormat::Tiff, Some(&StampPolicy::new(LINK)), &DocumentsConfig::default());
    let wrapped = wrapped.unwrap_or_else(|refusal| panic!("{}: {refusal}", tiff.display()));
    assert_sound(&wrapped.bytes);
    assert_eq!(pdfium(&wrapped.bytes).len(), wrapped.page_count);
    assert_eq!(codes_on(&wrapped.bytes, 1, 595.276 * MM)[0].text, LINK);
    wrapped.bytes
}

#[test]
fn every_fax_packing_is_unpacked_as_libtiff_does() {
    let folder = tempfile::tempdir().unwrap();
    let original = made(folder.path(), "1", 2);
    for arguments in [
        &["-c", "g3:1d"][..],
        &["-c", "g3:2d"],
        &["-c", "g3:1d:fill"],
        &["-c", "g3:2d:fill"],
        &["-c", "g4"],
        &["-c", "g3:1d", "-f", "lsb2msb", "-r", "100"],
        &["-c", "g4", "-f", "lsb2msb", "-r", "37"],
        &["-c", "g3:2d", "-r", "1"],
        &["-c", "none"],
    ] {
        let tiff = packed(&original, arguments);
        assert_eq!(differences(&wrapped(&tiff), &tiff), "", "{arguments:?}");
    }
    // Modified Huffman, which that tool does not write.
    const HUFFMAN: &str = "import sys\n\
        from PIL import Image\n\
        Image.open(sys.argv[1]).save(sys.argv[2], 'TIFF', compression='tiff_ccitt')\n";
    let huffman = folder.path().join("huffman.tif");
    python_script(HUFFMAN, &[original.to_str().unwrap(), huffman.to_str().unwrap()]);
    assert_eq!(differences(&wrapped(&huffman), &huffman), "");
}

#[test]
fn pages_with_palettes_keep_their_colours() {
    for (colors, packing) in [("256", "none"), ("16", "lzw"), ("7", "packbits"), ("256", "zip")] {
        let folder = tempfile::tempdir().unwrap();
        let tiff = packed(&made(folder.path(), colors, 3), &["-c", packing]);
        assert_eq!(differences(&wrapped(&tiff), &tiff), "", "{colors} {packing}");
    }
}

#[test]
fn a_fax_that_ends_too_early_is_no_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    let original = made(folder.path(), "1", 1);
    for arguments in [&["-c", "g3:1d", "-r", "400"][..], &["-c", "g4", "-r", "400"]] {
        let tiff = std::fs::read(packed(&original, arguments)).unwrap();
        let wrap = |bytes: &[u8]| wrap_picture(bytes, PictureFormat::Tiff, None, &DocumentsConfig::default());
        assert!(wrap(&tiff).is_ok());
        // The strips lie in front of the table of contents: their second half becomes zeros.
        let mut emptied = tiff.clone();
        let table = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
        emptied[table / 2..table].fill(0);
        assert!(matches!(wrap(&emptied), Err(StampRefusal::Damaged(_))), "{arguments:?}");
        for at in (8..tiff.len()).step_by(11) {
            let mut scratched = tiff.clone();
            scratched[at] ^= 0x5A;
            let _ = wrap(&scratched);
            let _ = wrap(&tiff[..at]);
        }
    }
}

/// The middle of a picture that has one colour, as PDFium draws it.
fn middle(pdf: &[u8]) -> [u8; 3] {
    let png = render_page(pdf, 1, 600, &DocumentsConfig::default()).unwrap();
    let ours = image::load_from_memory(&png).unwrap().into_rgb8();
    const DRAWN: &str = "import sys, pypdfium2\n\
        page = pypdfium2.PdfDocument(sys.argv[1])[0]\n\
        drawn = page.render(scale=1).to_pil().convert('RGB')\n\
        print(*drawn.getpixel((drawn.width // 2, drawn.height // 2)))\n";
    let (_folder, path) = super::judges::saved(pdf);
    let theirs = python_script(DRAWN, &[path.to_str().unwrap()]);
    let theirs: Vec<u8> = theirs.split_whitespace().map(|value| value.parse().unwrap()).collect();
    let drawn = ours.get_pixel(ours.width() / 2, ours.height() / 2).0;
    assert!(drawn.iter().zip(&theirs).all(|(a, b)| a.abs_diff(*b) < 40), "{drawn:?} is not {theirs:?}");
    theirs.try_into().unwrap()
}

#[test]
fn pictures_of_every_make_have_the_colour_that_pillow_sees() {
    const MAKE: &str = "import sys, io, base64, struct, zlib\n\
        from PIL import Image\n\
        kind = sys.argv[1]\n\
        color = (20, 160, 60)\n\
        image, out = Image.new('RGB', (400, 500), color), io.BytesIO()\n\
        def chunk(name, data):\n\
        \x20   return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))\n\
        if kind == 'cmyk': image.convert('CMYK').save(out, 'JPEG', quality=95)\n\
        elif kind == 'progressive': image.save(out, 'JPEG', progressive=True, quality=95)\n\
        elif kind == 'restart': image.save(out, 'JPEG', restart_marker_rows=1, quality=95)\n\
        elif kind == 'subsampled': image.save(out, 'JPEG', subsampling=2, quality=95)\n\
        elif kind == 'gray': image.convert('L').save(out, 'JPEG', quality=95)\n\
        elif kind == 'palette': image.convert('P', palette=Image.ADAPTIVE).save(out, 'PNG')\n\
        elif kind == 'alpha': image.convert('RGBA').save(out, 'PNG')\n\
        else:\n\
        \x20   deep, laced, w, h = kind == 'deep', kind == 'laced', 400, 500\n\
        \x20   dot = bytes(v for c in color for v in ((c, c) if deep else (c,)))\n\
        \x20   passes = [(0,0,8,8),(4,0,8,8),(0,4,4,8),(2,0,4,4),(0,2,2,4),(1,0,2,2),(0,1,1,2)] if laced else [(0,0,1,1)]\n\
        \x20   rows = b''.join(b'\\0' + dot * len(range(x, w, dx)) for x, y, dx, dy in passes for _ in range(y, h, dy))\n\
        \x20   head = struct.pack('>IIBBBBB', w, h, 16 if deep else 8, 2, 0, 0, 1 if laced else 0)\n\
        \x20   out.write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))\n\
        seen = Image.open(io.BytesIO(out.getvalue())).convert('RGB').getpixel((200, 250))\n\
        print(base64.b64encode(out.getvalue()).decode(), *seen)\n";
    use base64::Engine;
    for (kind, format) in [
        ("cmyk", PictureFormat::Jpeg),
        ("progressive", PictureFormat::Jpeg),
        ("restart", PictureFormat::Jpeg),
        ("subsampled", PictureFormat::Jpeg),
        ("gray", PictureFormat::Jpeg),
        ("palette", PictureFormat::Png),
        ("alpha", PictureFormat::Png),
        ("deep", PictureFormat::Png),
        ("laced", PictureFormat::Png),
    ] {
        let printed = python_script(MAKE, &[kind]);
        let mut words = printed.split_whitespace();
        let picture = base64::engine::general_purpose::STANDARD.decode(words.next().unwrap()).unwrap();
        let expected: Vec<u8> = words.map(|value| value.parse().unwrap()).collect();
        let wrapped = wrap_picture(&picture, format, Some(&StampPolicy::new(LINK)), &DocumentsConfig::default());
        let wrapped = wrapped.unwrap_or_else(|refusal| panic!("{kind}: {refusal}")).bytes;
        assert_sound(&wrapped);
        assert_eq!(codes_on(&wrapped, 1, 595.276 * MM)[0].text, LINK, "{kind}");
        let seen = middle(&wrapped);
        // Readers turn four colours to three each in its own way.
        let tolerance = if kind == "cmyk" { 60 } else { 6 };
        let near = seen.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= tolerance);
        assert!(near, "{kind}: {seen:?} is not {expected:?}");
    }
}
