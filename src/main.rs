//! The command `yingku`.

fn main() -> std::process::ExitCode {
    yingku::cli::main()
}
