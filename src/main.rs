fn main() { println!("magpie"); }
