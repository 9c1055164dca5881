//! What a connection is called.

/// A connection's address, and once it has greeted its name and its program's: in one piece of memory, since thousands of
/// connections may have little else.
#[derive(Debug)]
pub(crate) struct Labels {
    text: Box<str>,
    /// Where the name begins, and the product.
    name: u32,
    product: u32,
}

impl Labels {
    pub(crate) fn new(address: &str) -> Self {
        Self::join(address, "", "")
    }

    /// Sets name and product.
    pub(crate) fn greeted(&mut self, name: &str, product: &str) {
        *self = Self::join(self.address(), name, product);
    }

    fn join(address: &str, name: &str, product: &str) -> Self {
        let length = |bytes: usize| u32::try_from(bytes).expect("names are limited far below 4 GiB");
        let text = [address, name, product].concat().into();
        Self { text, name: length(address.len()), product: length(address.len() + name.len()) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.text[..self.name as usize]
    }

    pub(crate) fn name(&self) -> &str {
        &self.text[self.name as usize..self.product as usize]
    }

    pub(crate) fn product(&self) -> &str {
        &self.text[self.product as usize..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_what_it_was_given() {
        let mut labels = Labels::new("[::1]:7450");
        assert_eq!((labels.address(), labels.name(), labels.product()), ("[::1]:7450", "", ""));
        labels.greeted("Öl", "a 1");
        assert_eq!((labels.address(), labels.name(), labels.product()), ("[::1]:7450", "Öl", "a 1"));
    }
}
