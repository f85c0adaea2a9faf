fn main() {
    println!("magpie");
}
