//! The shim and the built-in image's program alone, without the cluster around: what tests start. It decides nothing.
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let code = match args.first().map(String::as_str) {
        Some("pod-shim") => node::shim::main(&args[1..]),
        Some("hello") => node::hello::main(),
        _ => {
            eprintln!("usage: rutter-shim pod-shim DIRECTORY | hello");
            2
        }
    };
    std::process::exit(code);
}
