//! The description of a service whose operations take strings and return one: WSDL 1.1, document/literal wrapped.
//!
//! The shape is that of an ASP.NET `.asmx` service, since generated clients were made against those: message names
//! `…SoapIn` and `…SoapOut`, one part `parameters`, ports `…Soap` and `…Soap12`, everything in one file.

use std::fmt::Write;

use super::xml::{escape, escape_attribute};

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// The names of its parameters, all strings.
    pub parameters: &'static [&'static str],
    /// What it does, for people.
    pub summary: &'static str,
}

/// A service.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Its name.
    pub name: &'a str,
    /// The target namespace.
    pub namespace: &'a str,
    /// Where it listens, as callers see it.
    pub location: &'a str,
    /// Its operations.
    pub operations: &'a [Operation],
}

impl Service<'_> {
    /// The WSDL document.
    pub fn wsdl(&self) -> String {
        let Service { name, operations, .. } = self;
        let namespace = escape_attribute(self.namespace);
        let location = escape_attribute(self.location);
        let mut types = String::new();
        let mut messages = String::new();
        let mut port_type = String::new();
        for operation in *operations {
            operation.describe(&mut types, &mut messages, &mut port_type);
        }
        let binding_11 = self.binding(operations, "soap", &format!("{name}Soap"));
        let binding_12 = self.binding(operations, "soap12", &format!("{name}Soap12"));
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:tns="{namespace}" targetNamespace="{namespace}">
<wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="{namespace}">{types}</s:schema></wsdl:types>
{messages}<wsdl:portType name="{name}Soap">{port_type}</wsdl:portType>
{binding_11}{binding_12}<wsdl:service name="{name}">
<wsdl:port name="{name}Soap" binding="tns:{name}Soap"><soap:address location="{location}"/></wsdl:port>
<wsdl:port name="{name}Soap12" binding="tns:{name}Soap12"><soap12:address location="{location}"/></wsdl:port>
</wsdl:service>
</wsdl:definitions>
"#
        )
    }

    fn binding(&self, operations: &[Operation], soap: &str, binding: &str) -> String {
        let mut out = format!(
            "<wsdl:binding name=\"{binding}\" type=\"tns:{}Soap\"><{soap}:binding \
             transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n",
            self.name
        );
        let namespace = escape_attribute(self.namespace);
        let slash = if namespace.ends_with('/') { "" } else { "/" };
        for Operation { name, .. } in operations {
            let _ = writeln!(
                out,
                "<wsdl:operation name=\"{name}\"><{soap}:operation soapAction=\"{namespace}{slash}{name}\" \
                 style=\"document\"/><wsdl:input><{soap}:body use=\"literal\"/></wsdl:input>\
                 <wsdl:output><{soap}:body use=\"literal\"/></wsdl:output></wsdl:operation>"
            );
        }
        out.push_str("</wsdl:binding>\n");
        out
    }

    /// A page for people who open the service's address in a browser.
    pub fn page(&self) -> String {
        let mut list = String::new();
        for Operation { name, parameters, summary } in self.operations {
            let _ =
                writeln!(list, "<li><code>string {name}({})</code> {}</li>", parameters.join(", "), escape(summary));
        }
        let (name, location, namespace) = (escape(self.name), escape(self.location), escape(self.namespace));
        format!(
            "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{name}</title></head><body>\
             <h1>{name}</h1><p>{location}</p><p>命名空间 <code>{namespace}</code>，\
             <a href=\"?wsdl\">WSDL</a></p><ul>\n{list}</ul></body></html>\n"
        )
    }
}

impl Operation {
    fn describe(&self, types: &mut String, messages: &mut String, port_type: &mut String) {
        let name = self.name;
        let _ = write!(types, "<s:element name=\"{name}\"><s:complexType><s:sequence>");
        for parameter in self.parameters {
            let _ =
                write!(types, "<s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"{parameter}\" type=\"s:string\"/>");
        }
        let _ = write!(
            types,
            "</s:sequence></s:complexType></s:element><s:element name=\"{name}Response\"><s:complexType><s:sequence>\
             <s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"{name}Result\" type=\"s:string\"/>\
             </s:sequence></s:complexType></s:element>"
        );
        let _ = write!(
            messages,
            "<wsdl:message name=\"{name}SoapIn\"><wsdl:part name=\"parameters\" element=\"tns:{name}\"/></wsdl:message>\n\
             <wsdl:message name=\"{name}SoapOut\"><wsdl:part name=\"parameters\" element=\"tns:{name}Response\"/>\
             </wsdl:message>\n"
        );
        let _ = write!(
            port_type,
            "<wsdl:operation name=\"{name}\"><wsdl:input message=\"tns:{name}SoapIn\"/>\
             <wsdl:output message=\"tns:{name}SoapOut\"/></wsdl:operation>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::xml::{XmlLimits, parse};

    #[test]
    fn the_description_is_well_formed_and_names_both_bindings() {
        let operations = [Operation { name: "Do", parameters: &["strA", "strB"], summary: "" }];
        let location = "http://127.0.0.1/a?x=1&y=2";
        let service = Service { name: "IThing", namespace: "http://tempuri.org/", location, operations: &operations };
        let root = parse(&service.wsdl(), &XmlLimits::default()).unwrap().root;
        let ports = &root.children.last().unwrap().children;
        assert_eq!(ports[0].attribute("name"), Some("IThingSoap"));
        assert_eq!(ports[1].children[0].attribute("location"), Some(location));
        parse(
            &service.page().replace("<!doctype html>", "").replace("<meta charset=\"utf-8\">", ""),
            &XmlLimits::default(),
        )
        .unwrap();
    }
}
